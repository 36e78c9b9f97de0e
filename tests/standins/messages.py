"""A stand-in for the messages service whose streams break where a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

import grpc
import grpc.aio
from llmchat.messages.v1 import message_pb2, messages_service_pb2_grpc
from llmchat.messages.v1.message_pb2 import Message
from llmchat.messages.v1.messages_service_pb2 import (
    CancelGenerationRequest,
    Ended,
    GetMessageRequest,
    ListMessagesRequest,
    ListMessagesResponse,
    SendMessageRequest,
    Started,
    StreamEvent,
    StreamTokensRequest,
    SuggestTitleRequest,
    SuggestTitleResponse,
    TokenBatch,
)

from libs.common.errors import Exhausted
from libs.common.rpc.status import DETAILS, refusal

Context = grpc.aio.ServicerContext[object, object]


class How(Enum):
    """The ways in which a stream ends too early, or goes wrong."""

    UNAVAILABLE = "the server is going away"
    CANCELLED = "the server cancels the call"
    REMOVED = "the transport resets the stream"
    CLOSED = "the stream closes with OK before `ended`"
    LIMITED = "too many streams are open"
    SKIPS = "a token is left out"
    REPEATS = "a token is sent twice"


@dataclass
class Cut:
    """What happens to one opening of a stream once it has sent `events` events."""

    events: int
    how: How


@dataclass
class StandInAnswer:
    """One answer and how it is told."""

    message: Message
    tokens: list[str]
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class StandInMessages(messages_service_pb2_grpc.MessagesServiceServicer):
    """Answers every question with `tokens`, one event each.

    Attributes:
        cuts: Consumed one by one by the streams that are opened; a stream that finds none is whole.
        holds_after: The number of tokens after which an answer waits to be cancelled; None for an answer that ends.
        sends: The SendMessage requests that came, repeats included.
        resumes: The `after_seq` of the StreamTokens requests that came.
        answers: By answer id.
    """

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = list(tokens)
        self.cuts: list[Cut] = []
        self.holds_after: int | None = None
        self.sends: list[SendMessageRequest] = []
        self.resumes: list[int] = []
        self.answers: dict[str, StandInAnswer] = {}
        self.questions: list[Message] = []
        self._by_request: dict[str, str] = {}

    async def SendMessage(self, request: SendMessageRequest, context: Context) -> AsyncIterator[StreamEvent]:
        self.sends.append(request)
        if request.request_id not in self._by_request:
            self._by_request[request.request_id] = self._start(request)
        async for event in self._tell(self._by_request[request.request_id], 0, context):
            yield event

    async def StreamTokens(self, request: StreamTokensRequest, context: Context) -> AsyncIterator[StreamEvent]:
        self.resumes.append(request.after_seq)
        if request.message_id not in self.answers:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such answer")
        async for event in self._tell(request.message_id, request.after_seq, context):
            yield event

    async def CancelGeneration(self, request: CancelGenerationRequest, context: Context) -> Message:
        answer = self.answers[request.message_id]
        answer.message.status = message_pb2.MESSAGE_STATUS_CANCELLED
        answer.ended.set()
        return answer.message

    async def GetMessage(self, request: GetMessageRequest, context: Context) -> Message:
        return self.answers[request.id].message

    async def ListMessages(self, request: ListMessagesRequest, context: Context) -> ListMessagesResponse:
        of_thread = [m for m in self._all() if m.thread_id == request.thread_id]
        first = int(request.page_token or 0)
        size = request.page_size or 50
        more = first + size < len(of_thread)
        return ListMessagesResponse(
            messages=of_thread[first : first + size], next_page_token=str(first + size) if more else ""
        )

    async def SuggestTitle(self, request: SuggestTitleRequest, context: Context) -> SuggestTitleResponse:
        return SuggestTitleResponse(title="A title")

    def _all(self) -> list[Message]:
        """Questions and answers in the order in which they came."""
        whole = []
        for question, answer in zip(self.questions, self.answers.values(), strict=True):
            stored = Message()
            stored.CopyFrom(answer.message)
            stored.tokens.text = "".join(answer.tokens)
            whole += [question, stored]
        return whole

    def _start(self, request: SendMessageRequest) -> str:
        answer_id = f"answer-{len(self.answers) + 1}"
        of = {"thread_id": request.thread_id, "model_id": request.model_id}
        self.questions.append(
            Message(id=f"question-{answer_id}", role=message_pb2.ROLE_USER, content=request.content, **of)  # type: ignore[arg-type]
        )
        message = Message(
            id=answer_id,
            role=message_pb2.ROLE_ASSISTANT,
            status=message_pb2.MESSAGE_STATUS_GENERATING,
            **of,  # type: ignore[arg-type]
        )
        answer = StandInAnswer(message, self.tokens[: self.holds_after])
        if self.holds_after is None:
            message.status = message_pb2.MESSAGE_STATUS_COMPLETE
            answer.ended.set()
        self.answers[answer_id] = answer
        return answer_id

    async def _tell(self, answer_id: str, after_seq: int, context: Context) -> AsyncIterator[StreamEvent]:
        cut = self.cuts.pop(0) if self.cuts else None
        sent = 0
        async for event in self._events(self.answers[answer_id], after_seq):
            if cut and sent == cut.events:
                await self._break(cut.how, context)
                if cut.how is How.CLOSED:
                    return
                if cut.how is How.SKIPS:
                    sent += 1
                    continue
                if cut.how is How.REPEATS:
                    yield event
            yield event
            sent += 1

    async def _events(self, answer: StandInAnswer, after_seq: int) -> AsyncIterator[StreamEvent]:
        answer_id = answer.message.id
        yield StreamEvent(message_id=answer_id, seq=after_seq, started=Started(message=answer.message))
        for seq, token in enumerate(answer.tokens[after_seq:], after_seq + 1):
            yield StreamEvent(message_id=answer_id, seq=seq, tokens=TokenBatch(tokens=[token]))
        await answer.ended.wait()
        yield StreamEvent(message_id=answer_id, seq=len(answer.tokens), ended=Ended(message=answer.message))

    async def _break(self, how: How, context: Context) -> None:
        match how:
            case How.UNAVAILABLE:
                await context.abort(grpc.StatusCode.UNAVAILABLE, how.value)
            case How.CANCELLED:
                await context.abort(grpc.StatusCode.CANCELLED, how.value)
            case How.REMOVED:
                await context.abort(grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2")
            case How.LIMITED:
                refused = refusal(Exhausted(how.value, reason="TOO_MANY_STREAMS", retry_after=0.05))
                assert refused is not None
                await context.abort(refused.code, refused.text, ((DETAILS, refused.details),))


async def serve(servicer: StandInMessages, address: str = "127.0.0.1:0") -> tuple[grpc.aio.Server, int]:
    """Serves the stand-in; gives the server and its port."""
    server = grpc.aio.server()
    messages_service_pb2_grpc.add_MessagesServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port(address)
    await server.start()
    return server, port
