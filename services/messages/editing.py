"""Other versions of what was said: a question asked otherwise, an answer generated anew, and which one is shown."""

from __future__ import annotations

from llmchat.messages.stored.v1.stream_pb2 import Conversation, SendReceipt
from llmchat.messages.v1.message_pb2 import ROLE_ASSISTANT, ROLE_USER, Message
from llmchat.messages.v1.messages_service_pb2 import EditMessageRequest, RegenerateMessageRequest, SelectVersionRequest

from libs.common.access.limits import CountedLimits
from libs.common.clock import timestamp
from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.documents.tombstones import require_alive
from libs.common.documents.unit import Unit
from libs.common.errors import Precondition
from services.messages.branches import find_head, leave, read_parent, select, version_ids
from services.messages.collections import CONVERSATIONS, MESSAGES
from services.messages.defaults import Defaults, Manner
from services.messages.generations import Generations
from services.messages.history import require_fits
from services.messages.models import Models
from services.messages.rules import has_ended, read_visible, require_room, require_short, text_of
from services.messages.sending import new_answer, new_question, start_answer


class Editing:
    """Stores other versions on branches of their own and starts or queues their answers."""

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

    async def edit(self, call: Call, request: EditMessageRequest) -> SendReceipt:
        """The ids of the new question and its answer; a repeat with the same `request_id` gets those of the first one.

        Raises:
            NotFound: no such message of the caller's, or its model is gone.
            Precondition: it is no question (reason NOT_A_QUESTION); or as for a message that is sent.
            Invalid, Unavailable: as for a message that is sent.
            Exhausted: there are too many branches (reason TOO_MANY_BRANCHES); or as for a message that is sent.
        """

        async def store(unit: Unit) -> SendReceipt:
            self._generations.require_open()
            require_short(request.content, self._limits.current.max_tokens_per_message)
            edited, conversation = await read_visible(unit, call, request.message_id)
            if edited.role != ROLE_USER:
                raise Precondition("only a question can be edited", reason="NOT_A_QUESTION")
            manner = await self._defaults.fill(
                edited.user_id,
                edited.thread_id,
                request.temperature if request.HasField("temperature") else None,
                request.system_prompt,
            )
            await self._require_model(edited.model_id, manner, request.content)
            await self._require_place(unit, conversation, 2)

            question = new_question(unit, conversation, edited.model_id, request.content)
            question.version_of = edited.id
            answer = new_answer(unit, conversation, edited.model_id, question.id)
            answer.temperature, answer.system_prompt = manner.temperature, manner.system_prompt
            parent = await read_parent(unit, conversation, edited)
            question.parent_id = parent.id if parent is not None else ""
            await find_head(unit, conversation, edited.model_id)
            branch = leave(conversation, edited.model_id, parent, edited.id, question.id, answer.id)
            question.branch = answer.branch = branch

            unit.create(MESSAGES, question)
            await start_answer(unit, self._generations, conversation, answer, request.busy_policy)
            return SendReceipt(user_message_id=question.id, message_id=answer.id)

        return await self._documents.once(call, request, SendReceipt, store)

    async def regenerate(self, call: Call, request: RegenerateMessageRequest) -> SendReceipt:
        """The ids of the question and its new answer; a repeat with the same `request_id` gets those of the first one.

        Raises:
            NotFound: no such message of the caller's, or its model is gone.
            Precondition: it answers no question, or is not over yet (reasons NOT_AN_ANSWER, NOT_ENDED); or as for a
                message that is sent.
            Invalid, Unavailable: as for a message that is sent.
            Exhausted: there are too many branches (reason TOO_MANY_BRANCHES); or as for a message that is sent.
        """

        async def store(unit: Unit) -> SendReceipt:
            self._generations.require_open()
            before, conversation = await read_visible(unit, call, request.message_id)
            question = await read_parent(unit, conversation, before) if before.role == ROLE_ASSISTANT else None
            if question is None or question.role != ROLE_USER:
                raise Precondition("only an answer to a question can be generated anew", reason="NOT_AN_ANSWER")
            if not has_ended(before):
                raise Precondition("the answer is not over yet: cancel it, or wait for it", reason="NOT_ENDED")
            manner = await self._manner_of(request, before)
            await self._require_model(before.model_id, manner, text_of(question))
            await self._require_place(unit, conversation, 1)

            answer = new_answer(unit, conversation, before.model_id, question.id)
            answer.version_of = before.id
            answer.temperature, answer.system_prompt = manner.temperature, manner.system_prompt
            await find_head(unit, conversation, before.model_id)
            answer.branch = leave(conversation, before.model_id, question, before.id, answer.id, answer.id)

            await start_answer(unit, self._generations, conversation, answer, request.busy_policy)
            return SendReceipt(user_message_id=question.id, message_id=answer.id)

        return await self._documents.once(call, request, SendReceipt, store)

    async def _manner_of(self, request: RegenerateMessageRequest, before: Message) -> Manner:
        """What the request says, else that of the answer `before`; where that has none, as for a new message."""
        temperature = next((one.temperature for one in (request, before) if one.HasField("temperature")), None)
        system_prompt = request.system_prompt or before.system_prompt
        if temperature is not None and before.HasField("temperature"):
            return Manner(temperature, system_prompt)
        return await self._defaults.fill(before.user_id, before.thread_id, temperature, system_prompt)

    async def _require_model(self, model_id: str, manner: Manner, content: str) -> None:
        model = await self._models.get(model_id)
        self._models.provider(model)
        require_fits(model, manner.system_prompt, content)

    async def _require_place(self, unit: Unit, conversation: Conversation, messages: int) -> None:
        await require_alive(unit, "user", conversation.user_id)
        require_room(conversation, messages, self._limits.current.max_messages_per_thread)


async def select_version(documents: Documents, call: Call, request: SelectVersionRequest) -> Message:
    """Makes the branch on which the message stands the active one of its model; returns the message as it is shown.

    An answer that is being generated goes on wherever it stands.

    Raises:
        NotFound: no such message of the caller's.
    """

    async def choose(unit: Unit) -> Message:
        message, conversation = await read_visible(unit, call, request.message_id)
        select(conversation, message)
        conversation.updated_at.CopyFrom(timestamp(unit.now))
        unit.put(CONVERSATIONS, conversation)
        message.version_ids[:] = version_ids(conversation, message)
        return message

    return await documents.once(call, request, Message, choose)
