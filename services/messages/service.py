"""The servicer: one thin method per RPC."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING

from google.protobuf.empty_pb2 import Empty
from llmchat.messages.v1.message_pb2 import Message
from llmchat.messages.v1.messages_service_pb2 import (
    AppendTokensRequest,
    AppendTokensResponse,
    CancelGenerationRequest,
    CheckProviderRequest,
    CheckProviderResponse,
    ClaimAnswerRequest,
    ClaimAnswerResponse,
    DeleteMessageRequest,
    EditMessageRequest,
    GetMessageRequest,
    ImportMessagesRequest,
    ImportMessagesResponse,
    ListMessagesRequest,
    ListMessagesResponse,
    ListSharedMessagesRequest,
    ListSharedMessagesResponse,
    PullModelRequest,
    PullModelResponse,
    RegenerateMessageRequest,
    SelectVersionRequest,
    SendMessageRequest,
    SetFeedbackRequest,
    StreamEvent,
    StreamTokensRequest,
    SuggestTitleRequest,
    SuggestTitleResponse,
    SummarizeRequest,
    SummarizeResponse,
)

from libs.common.access.limits import CountedLimits
from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.documents.ownership import read_owned
from libs.common.documents.pages import PageAnswer
from libs.common.documents.unit import Unit
from libs.common.events.outbox import Outbox
from services.messages.appending import Appending
from services.messages.collections import MESSAGES
from services.messages.defaults import Defaults
from services.messages.deleting import delete_message
from services.messages.editing import Editing, select_version
from services.messages.feedback import set_feedback
from services.messages.generations import Generations
from services.messages.importing import Importing
from services.messages.makers import check_provider, pull_model
from services.messages.models import Models
from services.messages.reading import list_messages, read_message
from services.messages.rendering import HtmlRenderer
from services.messages.rules import read_visible
from services.messages.sending import Sending
from services.messages.shared_reading import list_shared_messages
from services.messages.streams import Streams
from services.messages.summarizing import Summarizing
from services.messages.titles import suggest_title

if TYPE_CHECKING:
    from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceAsyncStub


class MessagesService:
    """llmchat.messages.v1.MessagesService."""

    def __init__(
        self,
        documents: Documents,
        outbox: Outbox,
        models: Models,
        threads: ThreadsServiceAsyncStub,
        generations: Generations,
        streams: Streams,
        appending: Appending,
        defaults: Defaults,
        summarizing: Summarizing,
        limits: CountedLimits,
        renderer: HtmlRenderer,
    ) -> None:
        self._documents = documents
        self._models = models
        self._threads = threads
        self._generations = generations
        self._outbox = outbox
        self._sending = Sending(documents, models, defaults, generations, limits)
        self._importing = Importing(documents, outbox, models, threads, limits)
        self._editing = Editing(documents, models, defaults, generations, limits)
        self._streams = streams
        self._appending = appending
        self._defaults = defaults
        self._summarizing = summarizing
        self._renderer = renderer

    async def SendMessage(self, request: SendMessageRequest, call: Call) -> AsyncGenerator[StreamEvent, None]:
        """Stores, starts, and follows from the first token."""
        receipt = await self._sending.send(call, request)
        async with aclosing(self._follow(call, receipt.message_id, 0)) as events:
            async for event in events:
                yield event

    async def StreamTokens(self, request: StreamTokensRequest, call: Call) -> AsyncGenerator[StreamEvent, None]:
        """Follows from where the reader is."""
        message, _ = await read_visible(self._documents, call, request.message_id)
        async with aclosing(self._follow(call, message.id, request.after_seq)) as events:
            async for event in events:
                yield event

    async def _follow(self, call: Call, message_id: str, after_seq: int) -> AsyncGenerator[StreamEvent, None]:
        """Token by token, or in one piece where the person or the system has it so."""
        in_one_piece = not await self._defaults.streams(call.caller.user_id)
        async with aclosing(self._streams.follow(message_id, after_seq, in_one_piece=in_one_piece)) as events:
            async for event in events:
                yield event

    async def EditMessage(self, request: EditMessageRequest, call: Call) -> AsyncGenerator[StreamEvent, None]:
        """As SendMessage, in the place of another question."""
        receipt = await self._editing.edit(call, request)
        async with aclosing(self._follow(call, receipt.message_id, 0)) as events:
            async for event in events:
                yield event

    async def RegenerateMessage(
        self, request: RegenerateMessageRequest, call: Call
    ) -> AsyncGenerator[StreamEvent, None]:
        """As SendMessage, in the place of another answer."""
        receipt = await self._editing.regenerate(call, request)
        async with aclosing(self._follow(call, receipt.message_id, 0)) as events:
            async for event in events:
                yield event

    async def SelectVersion(self, request: SelectVersionRequest, call: Call) -> Message:
        """Makes its branch the active one."""
        return await select_version(self._documents, call, request)

    async def SetFeedback(self, request: SetFeedbackRequest, call: Call) -> Message:
        """What the reader thinks of it."""
        return await set_feedback(self._documents, call, request)

    async def DeleteMessage(self, request: DeleteMessageRequest, call: Call) -> Empty:
        """Removes it, and what follows it."""
        return await delete_message(self._documents, self._generations, self._outbox, call, request)

    async def ListSharedMessages(self, request: ListSharedMessagesRequest, call: Call) -> ListSharedMessagesResponse:
        """A page of a thread that is shared."""
        return await list_shared_messages(self._documents, self._threads, self._renderer, request)

    async def ClaimAnswer(self, request: ClaimAnswerRequest, call: Call) -> ClaimAnswerResponse:
        """The right to write an answer from outside."""
        return await self._appending.claim(call, request)

    async def AppendTokens(self, requests: AsyncIterator[AppendTokensRequest], call: Call) -> AppendTokensResponse:
        """Writes it."""
        return await self._appending.append(requests)

    async def ImportMessages(self, request: ImportMessagesRequest, call: Call) -> ImportMessagesResponse:
        """What was said elsewhere."""
        return await self._importing.run(call, request)

    async def Summarize(self, request: SummarizeRequest, call: Call) -> SummarizeResponse:
        """A summary of what a model's context has no room for."""
        return await self._summarizing.summarize(call, request)

    async def CheckProvider(self, request: CheckProviderRequest, call: Call) -> CheckProviderResponse:
        """How a maker of models is."""
        return await check_provider(self._models, request)

    def PullModel(self, request: PullModelRequest, call: Call) -> AsyncGenerator[PullModelResponse, None]:
        """Has a model fetched and loaded, and tells how far it is."""
        return pull_model(self._models, request)

    async def CancelGeneration(self, request: CancelGenerationRequest, call: Call) -> Message:
        """Ends it, then shows it as it ended."""

        async def cancel(unit: Unit) -> Message:
            message, _ = await read_visible(self._documents, call, request.message_id)
            await self._generations.cancel(message.id)
            return await read_owned(unit, MESSAGES, call.caller, message.id)

        return await self._documents.once(call, request, Message, cancel)

    async def GetMessage(self, request: GetMessageRequest, call: Call) -> Message:
        """One message."""
        return await read_message(self._documents, self._renderer, call, request)

    async def ListMessages(self, request: ListMessagesRequest, call: Call) -> PageAnswer | ListMessagesResponse:
        """A page of them."""
        return await list_messages(self._documents, self._threads, self._renderer, call, request)

    async def SuggestTitle(self, request: SuggestTitleRequest, call: Call) -> SuggestTitleResponse:
        """A title for a conversation."""
        return await suggest_title(self._documents, self._models, call, request)
