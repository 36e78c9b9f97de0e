"""SendMessage: the question and the pending answer in one commit, then the generation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmchat.catalog.v1.model_config_pb2 import ModelConfig
from llmchat.messages.stored.v1.stream_pb2 import Conversation, SendReceipt
from llmchat.messages.v1.message_pb2 import (
    MESSAGE_STATUS_COMPLETE,
    MESSAGE_STATUS_PENDING,
    ROLE_ASSISTANT,
    ROLE_USER,
    Message,
)
from llmchat.messages.v1.messages_service_pb2 import BUSY_POLICY_INTERRUPT, SendMessageRequest
from llmchat.threads.v1.threads_service_pb2 import GetThreadRequest
from ulid import ULID

from libs.common.access.limits import CountedLimits
from libs.common.clock import timestamp
from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.documents.tombstones import require_alive
from libs.common.documents.unit import Unit, new_id
from services.messages.collections import CONVERSATIONS, MESSAGES
from services.messages.generations import Generations
from services.messages.history import require_fits
from services.messages.models import Models
from services.messages.rules import known_conversation, require_own, require_room, require_short
from services.messages.turns import take_turn

if TYPE_CHECKING:
    from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceAsyncStub


class Sending:
    """Stores what is sent and starts or queues its answer."""

    def __init__(
        self,
        documents: Documents,
        models: Models,
        threads: ThreadsServiceAsyncStub,
        generations: Generations,
        limits: CountedLimits,
    ) -> None:
        self._documents = documents
        self._models = models
        self._threads = threads
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
            require_fits(model, request.system_prompt, request.content)
            if await known_conversation(self._documents, call, request.thread_id) is None:
                await self._threads.GetThread(GetThreadRequest(id=request.thread_id))
            return await self._store(unit, call, request, model)

        return await self._documents.once(call, request, SendReceipt, store)

    async def _store(self, unit: Unit, call: Call, request: SendMessageRequest, model: ModelConfig) -> SendReceipt:
        conversation = await unit.find(CONVERSATIONS, request.thread_id)
        if conversation is None:
            conversation = Conversation(id=request.thread_id, user_id=call.caller.user_id)
        require_own(conversation, call)
        await require_alive(unit, "user", call.caller.user_id)
        require_room(conversation, self._limits.current.max_messages_per_thread)

        now = timestamp(unit.now)
        question = Message(
            id=new_id(MESSAGES),
            thread_id=request.thread_id,
            model_id=model.id,
            user_id=call.caller.user_id,
            role=ROLE_USER,
            content=request.content,
            status=MESSAGE_STATUS_COMPLETE,
            created_at=now,
            updated_at=now,
            position=conversation.last_position + 1,
        )
        answer = Message(
            id=new_id(MESSAGES),
            thread_id=request.thread_id,
            model_id=model.id,
            user_id=call.caller.user_id,
            role=ROLE_ASSISTANT,
            status=MESSAGE_STATUS_PENDING,
            temperature=request.temperature if request.HasField("temperature") else None,
            system_prompt=request.system_prompt,
            created_at=now,
            updated_at=now,
            position=conversation.last_position + 2,
            generation=str(ULID()).lower(),
            question_id=question.id,
        )
        conversation.last_position += 2
        conversation.updated_at.CopyFrom(now)
        waits_for = take_turn(conversation, model.id, answer.id, request.busy_policy)

        unit.put(CONVERSATIONS, conversation)
        unit.create(MESSAGES, question)
        unit.create(MESSAGES, answer)
        if not waits_for:
            await self._generations.begin(unit, answer)
        elif request.busy_policy == BUSY_POLICY_INTERRUPT:
            unit.then(lambda: self._generations.interrupt(waits_for))
        return SendReceipt(user_message_id=question.id, message_id=answer.id)
