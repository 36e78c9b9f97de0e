"""An answer as it is written: a stream that outlives the connection it comes over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Self

import grpc.aio
from llmchat.messages.v1.message_pb2 import Message
from llmchat.messages.v1.messages_service_pb2 import (
    CancelGenerationRequest,
    EditMessageRequest,
    RegenerateMessageRequest,
    SendMessageRequest,
    StreamEvent,
    StreamTokensRequest,
)

from libs.client.backoff import Backoff
from libs.client.calls import Calls, broken, client_closed, new_request_id
from libs.client.stream import Stream
from libs.common.errors import DeadlineExceeded, DomainError, Exhausted, Unavailable
from libs.common.rpc.status import from_rpc_error

if TYPE_CHECKING:
    # Exists in the type stubs only: at run time it is the one stub of both kinds of channels.
    from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceAsyncStub


class Answer:
    """Iterates over an answer's events: `started` once, every token once and in order, `ended` once.

    Opened by the first step. When the stream breaks, or skips a token, it is opened again after the last token seen;
    a send that broke before the answer had an id is repeated with the same `request_id`, so that it attaches and
    doubles nothing. Leaving the iteration cancels nothing: iterating again goes on where it stopped.

    Attributes:
        message_id: The answer's id; empty until `started`.
        seq: The number of the last token seen.
        message: The answer as it stood at `started`, without tokens; None until then.
        final: The answer as it ended, without tokens; None until then. Its status tells whether it is complete.
        reopened: How many times the stream was opened again.
    """

    def __init__(
        self,
        calls: Calls,
        messages: MessagesServiceAsyncStub,
        *,
        send: SendMessageRequest | EditMessageRequest | RegenerateMessageRequest | None = None,
        message_id: str = "",
        after_seq: int = 0,
        patience: float = 60.0,
    ) -> None:
        self.message_id = message_id
        self.seq = after_seq
        self.message: Message | None = None
        self.final: Message | None = None
        self.reopened = 0
        self._calls = calls
        self._messages = messages
        self._send = send
        self._pieces: list[str] = []
        self._backoff = Backoff(patience)
        self._stream: Stream[StreamEvent] | None = None
        self._opened_at: float | None = None
        self._named = asyncio.Event()
        if message_id:
            self._named.set()

    @property
    def text(self) -> str:
        """All tokens seen by this object; for a resumed answer, those after the `after_seq` it was resumed at."""
        return "".join(self._pieces)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamEvent:
        """The next event.

        Raises:
            Unavailable: the stream was broken for longer than the patience. The answer itself runs on: iterate again,
                or resume it later by `message_id` and `seq`.
            DomainError: what the server refused.
        """
        while self.final is None:
            try:
                event = await anext(self._open())
            except StopAsyncIteration:
                await self._reopen_after(Unavailable("the stream closed before the answer ended"))
            except grpc.aio.AioRpcError as error:
                failure = from_rpc_error(error)
                if not broken(error) and not self._may_pass(failure):
                    self._hang_up()
                    raise failure from error
                await self._reopen_after(failure)
            except (Unavailable, DeadlineExceeded) as unanswered:
                await self._reopen_after(unanswered)
            except asyncio.CancelledError:
                self._hang_up()
                if self._calls.closed and not _cancelling():
                    raise client_closed() from None
                raise
            else:
                if not self._continues(event):
                    await self._reopen_after(Unavailable(f"the stream went from token {self.seq} to {event.seq}"))
                elif self._take(event):
                    return event
        raise StopAsyncIteration

    async def tokens(self) -> AsyncIterator[str]:
        """The tokens alone, from where the iteration stands to the end."""
        async for event in self:
            for token in event.tokens.tokens:
                yield token

    async def read(self) -> Message:
        """Goes to the end and returns the answer as it ended, without tokens; `text` holds them."""
        async for _ in self:
            pass
        if self.final is None:
            raise AssertionError("the iteration ends with `final` only")
        return self.final

    async def cancel(self) -> Message:
        """Ends the generation; what it has written is kept, and the iteration goes on to `ended`.

        An answer that has no id yet is waited for, which takes another task that iterates.

        Raises:
            DeadlineExceeded: no id came within the client's timeout.
            DomainError: what the server answered.
        """
        try:
            async with asyncio.timeout(self._calls.timeout):
                await self._named.wait()
        except TimeoutError:
            raise DeadlineExceeded("the answer has not started, so it cannot be cancelled") from None
        request = CancelGenerationRequest(message_id=self.message_id, request_id=new_request_id())
        return await self._calls.unary(self._messages.CancelGeneration, request)

    async def close(self) -> None:
        """Stops watching. The answer runs on."""
        self._hang_up()

    def _open(self) -> Stream[StreamEvent]:
        if self._stream is None:
            if self.message_id or self._send is None:
                request = StreamTokensRequest(message_id=self.message_id, after_seq=self.seq)
                self._stream = self._calls.stream(self._messages.StreamTokens, request)
            else:
                method = getattr(self._messages, self._send.DESCRIPTOR.name.removesuffix("Request"))
                self._stream = self._calls.stream(method, self._send)
        return self._stream

    def _continues(self, event: StreamEvent) -> bool:
        """Whether the event follows what was seen: no token skipped, none repeated."""
        return event.seq - len(event.tokens.tokens) == self.seq

    def _take(self, event: StreamEvent) -> bool:
        """Notes what the event brings; False for the `started` of a stream that was opened again."""
        self.message_id = event.message_id
        self._named.set()
        kind = event.WhichOneof("event")
        if kind == "started":
            self._opened_at = time.monotonic()
            first = self.message is None
            self.message = event.started.message
            return first
        self._backoff.restart()
        self.seq = event.seq
        self._pieces.extend(event.tokens.tokens)
        if kind == "ended":
            self.final = event.ended.message
            self._hang_up()
        return True

    async def _reopen_after(self, failure: DomainError) -> None:
        # A stream that stood for long without a token was no outage: a model may think for minutes.
        if self._opened_at is not None and time.monotonic() - self._opened_at > self._backoff.longest:
            self._backoff.restart()
        self._hang_up()
        at_least = failure.retry_after or 0.0 if isinstance(failure, Exhausted) else 0.0
        if not await self._backoff.pause(at_least=at_least):
            self._backoff.restart()
            raise failure
        self.reopened += 1

    def _may_pass(self, failure: DomainError) -> bool:
        """Whether a stream that was broken meets a limit: many are opened again at once after an outage."""
        return self.message is not None and isinstance(failure, Exhausted) and failure.retry_after is not None

    def _hang_up(self) -> None:
        if self._stream is not None:
            self._stream.cancel()
        self._stream = None
        self._opened_at = None


def _cancelling() -> bool:
    """Whether someone cancelled the running task, as opposed to the call it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
