"""SendMessage: the question and the pending answer in one commit, then the generation."""

from __future__ import annotations

from llmchat.catalog.v1.model_config_pb2 import ModelConfig
from llmchat.messages.stored.v1.stream_pb2 import Conversation, SendReceipt
from llmchat.messages.v1.message_pb2 import (
    MESSAGE_STATUS_COMPLETE,
    MESSAGE_STATUS_PENDING,
    ROLE_ASSISTANT,
    ROLE_USER,
    Message,
)
from llmchat.messages.v1.messages_service_pb2 import BUSY_POLICY_INTERRUPT, BusyPolicy, SendMessageRequest
from ulid import ULID

from libs.common.access.limits import CountedLimits
from libs.common.clock import timestamp
from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.documents.tombstones import require_alive
from libs.common.documents.unit import Unit, new_id
from services.messages.branches import active_branch, find_head, follow
from services.messages.collections import CONVERSATIONS, MESSAGES
from services.messages.defaults import Defaults, Manner
from services.messages.generations import Generations
from services.messages.history import require_fits
from services.messages.models import Models
from services.messages.rules import known_conversation, require_own, require_room, require_short
from services.messages.turns import take_turn


class Sending:
    """Stores what is sent and starts or queues its answer."""

    def __init__(
        self,
        documents: Documents,
        models: Models,
        defaults: Defaults,
        generations: Generations,
        limits: CountedLimits,
    ) -> None:
        self._documents = documents
        self._models = models
        self._defaults = defaults
        self._generations = generations
        self._limits = limits

    async def send(self, call: Call, request: SendMessageRequest) -> SendReceipt:
        """The ids of question and answer; a repeat with the same `request_id` gets those of the first one.

        Raises:
            NotFound: no such thread of the caller's, or no such model.
            Invalid: the question is longer than the model's context or than the system's limit (reasons
                CONTEXT_TOO_LONG, MESSAGE_TOO_LONG), or the `request_id` was used otherwise.
            Precondition: the model is not available, or still answering here (reasons MODEL_UNAVAILABLE, THREAD_BUSY).
            Exhausted: too many messages wait already, or the thread is full (reasons QUEUE_FULL, TOO_MANY_MESSAGES).
            Unavailable: this process is stopping.
        """

        # All that may be refused is asked here: a repeat attaches, whatever has become of thread and model.
        async def store(unit: Unit) -> SendReceipt:
            self._generations.require_open()
            require_short(request.content, self._limits.current.max_tokens_per_message)
            model = await self._models.get(request.model_id)
            self._models.provider(model)
            if await known_conversation(self._documents, call, request.thread_id) is None:
                await self._defaults.require_thread(request.thread_id)
            manner = await self._defaults.fill(
                call.caller.user_id,
                request.thread_id,
                request.temperature if request.HasField("temperature") else None,
                request.system_prompt,
            )
            require_fits(model, manner.system_prompt, request.content)
            return await self._store(unit, call, request, model, manner)

        return await self._documents.once(call, request, SendReceipt, store)

    async def _store(
        self, unit: Unit, call: Call, request: SendMessageRequest, model: ModelConfig, manner: Manner
    ) -> SendReceipt:
        conversation = await unit.find(CONVERSATIONS, request.thread_id)
        if conversation is None:
            conversation = Conversation(id=request.thread_id, user_id=call.caller.user_id, heads={model.id: ""})
        require_own(conversation, call)
        await require_alive(unit, "user", call.caller.user_id)
        require_room(conversation, 2, self._limits.current.max_messages_per_thread)

        head = await find_head(unit, conversation, model.id)
        branch = active_branch(conversation, model.id)
        question = new_question(unit, conversation, model.id, request.content)
        question.parent_id, question.branch = head, branch
        answer = new_answer(unit, conversation, model.id, question.id)
        answer.branch = branch
        answer.temperature, answer.system_prompt = manner.temperature, manner.system_prompt
        follow(conversation, model.id, question.id, answer.id)

        unit.create(MESSAGES, question)
        await start_answer(unit, self._generations, conversation, answer, request.busy_policy)
        return SendReceipt(user_message_id=question.id, message_id=answer.id)


def new_question(unit: Unit, conversation: Conversation, model_id: str, content: str) -> Message:
    """A question behind all that the thread has; not staged yet."""
    question = _new_message(unit, conversation, model_id)
    question.role = ROLE_USER
    question.content = content
    question.status = MESSAGE_STATUS_COMPLETE
    return question


def new_answer(unit: Unit, conversation: Conversation, model_id: str, question_id: str) -> Message:
    """A pending answer to a question, behind all that the thread has; not staged yet."""
    answer = _new_message(unit, conversation, model_id)
    answer.role = ROLE_ASSISTANT
    answer.status = MESSAGE_STATUS_PENDING
    answer.generation = str(ULID()).lower()
    answer.question_id = answer.parent_id = question_id
    return answer


async def start_answer(
    unit: Unit, generations: Generations, conversation: Conversation, answer: Message, busy_policy: BusyPolicy
) -> None:
    """Stages `answer` and the conversation with it; it begins now or, by the busy policy, when its turn comes.

    Raises:
        Precondition: the model is busy here and the policy is to reject (reason THREAD_BUSY).
        Exhausted: too many answers wait already (reason QUEUE_FULL).
    """
    conversation.updated_at.CopyFrom(timestamp(unit.now))
    waits_for = take_turn(conversation, answer.model_id, answer.id, busy_policy)
    unit.put(CONVERSATIONS, conversation)
    unit.create(MESSAGES, answer)
    if not waits_for:
        await generations.begin(unit, answer)
    elif busy_policy == BUSY_POLICY_INTERRUPT:
        unit.then(lambda: generations.interrupt(waits_for))


def _new_message(unit: Unit, conversation: Conversation, model_id: str) -> Message:
    conversation.last_position += 1
    return Message(
        id=new_id(MESSAGES),
        thread_id=conversation.id,
        model_id=model_id,
        user_id=conversation.user_id,
        created_at=timestamp(unit.now),
        updated_at=timestamp(unit.now),
        position=conversation.last_position,
    )
