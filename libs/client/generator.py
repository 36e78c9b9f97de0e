"""A generator: a program that writes the answers of models which are generated outside the system."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn, Self, TypeAlias

import grpc.aio
from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_COMPLETE, MESSAGE_STATUS_FAILED, MessageStatus
from llmchat.messages.v1.messages_service_pb2 import (
    AppendTokensRequest,
    AppendTokensResponse,
    ClaimAnswerRequest,
    ClaimAnswerResponse,
    EndAnswer,
    OpenAnswer,
    TokenBatch,
)
from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceStub
from ulid import ULID

from libs.client.authorization import of_token
from libs.client.backoff import Backoff
from libs.client.calls import STREAM_SECONDS, Calls, broken, client_closed
from libs.common.errors import DeadlineExceeded, DomainError, Precondition, Unavailable
from libs.common.rpc.status import from_rpc_error
from libs.common.rpc.tls import Tls

if TYPE_CHECKING:
    # Exists in the type stubs only: at run time it is the one stub of both kinds of channels.
    from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceAsyncStub

_Call: TypeAlias = "grpc.aio.StreamUnaryCall[AppendTokensRequest, AppendTokensResponse]"

_TOKENS_A_MESSAGE = 1000
# A stream or a claim that these refuse may be good after the next claim, which says how things stand.
_WORTH_A_CLAIM = frozenset(("NOT_CLAIMED", "OUT_OF_RANGE"))


class Generator:
    """Claims answers and writes them, as an async context manager. Several may be written at the same time.

    A claim, and a stream that breaks, are tried again at once and at another replica where there is one.

        async with Generator("127.0.0.1:50051", token=token) as generator:
            async for answer in generator.claim("my-model"):
                try:
                    async for token in my_model(answer.system_prompt, answer.context):
                        await answer.append(token)
                    await answer.end()
                except Precondition:
                    pass  # its reader has cancelled it, or it is not ours any more: the next one

    Args:
        address: Where the messages service listens, as `Client` takes it.
        token: A service token of `generator` (`llmchat admin generator-token`).
        claimant: Names this program, the same after a restart where it may go on with what it was writing; by default,
            a name of its own for each.
        tls: What is shown to the service and asked of it; None: nothing, in plain text.
        timeout: Seconds that one claim waits for an answer.
        patience: Seconds that a broken stream is tried again before it is given up.
    """

    def __init__(
        self,
        address: str,
        *,
        token: str,
        claimant: str = "",
        tls: Tls | None = None,
        timeout: float = 30.0,
        patience: float = 60.0,
    ) -> None:
        self.claimant = claimant or f"{socket.gethostname()[:60]}.{str(ULID()).lower()}"
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._patience = patience
        self._calls = Calls(of_token(token), timeout=timeout, tls=tls)
        self._messages: MessagesServiceAsyncStub = MessagesServiceStub(self._calls.channel(address, "messages"))
        self._written: set[ClaimedAnswer] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection. What was being written is for whoever claims it in this claimant's name, and sealed
        when its lease has run out.
        """
        for answer in tuple(self._written):
            await answer.leave()
        await self._calls.close()

    async def claim(self, model_id: str) -> AsyncIterator[ClaimedAnswer]:
        """The model's answers, the one that waits longest first, for ever.

        Raises:
            DomainError: what the server answered: there is no such model, its answers are not written outside.
        """
        while True:
            try:
                told = await self._claim(ClaimAnswerRequest(model_id=model_id, claimant=self.claimant))
            except DeadlineExceeded:
                continue
            yield await self._begin(told)

    async def resume(self, model_id: str, message_id: str) -> ClaimedAnswer:
        """An answer that this claimant was writing before, behind its token `seq`; or one that waits.

        Raises:
            NotFound: there is no such answer of the model.
            Precondition: it has ended, or is another's (reasons ANSWER_ENDED, CLAIMED...).
        """
        request = ClaimAnswerRequest(model_id=model_id, message_id=message_id, claimant=self.claimant)
        return await self._begin(await self._claim(request))

    async def _claim(self, request: ClaimAnswerRequest) -> ClaimAnswerResponse:
        return await self._calls.unary(self._messages.ClaimAnswer, request)

    async def _begin(self, told: ClaimAnswerResponse) -> ClaimedAnswer:
        answer = ClaimedAnswer(self, told)
        self._written.add(answer)
        await answer.open()
        return answer

    def _stream(self) -> _Call:
        if self._calls.closed:
            raise client_closed()
        return self._messages.AppendTokens(timeout=STREAM_SECONDS, metadata=self._metadata)


class ClaimedAnswer:
    """An answer to be written: append, then end. A stream that breaks is opened again behind what is stored, in the
    middle of a pause too, and what is not stored is sent again: so nothing is lost, and nothing is there twice.

    Attributes:
        message: The answer as it was claimed, without tokens; how it ended, after `end`.
        generation: The attempt that this claim is for.
        system_prompt, context: What the model is asked: oldest turn first, the question last.
        seq: The number of the last token that was stored when it was claimed.
    """

    def __init__(self, generator: Generator, told: ClaimAnswerResponse) -> None:
        self.message = told.message
        self.generation = told.generation
        self.system_prompt = told.system_prompt
        self.context = tuple(told.context)
        self.seq = told.seq
        self._generator = generator
        # Those behind `seq`, kept until the end.
        self._tokens: list[str] = []
        self._end: EndAnswer | None = None
        self._failure: DomainError | None = None
        self._is_over = False
        self._backoff = Backoff(generator._patience)
        self._lock = asyncio.Lock()
        self._call: _Call | None = None
        self._opened_at = 0.0
        self._watching: asyncio.Task[None] | None = None

    async def append(self, *tokens: str) -> None:
        """Writes the next tokens.

        Raises:
            Precondition: the answer has ended, by its reader's word or a limit, or is not this claimant's any more
                (reasons ANSWER_ENDED, CLAIMED, NOT_CLAIMED): stop generating.
            Unavailable: the stream was broken for longer than the patience.
            Invalid: a token is empty, or holds characters that no text may.
        """
        async with self._lock:
            self._require_open()
            sent = self.seq + len(self._tokens)
            self._tokens += tokens
            if self._call is None or not await self._send(self._call, sent):
                await self._reopen()

    async def end(
        self,
        error_code: str = "",
        error_message: str = "",
        *,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
    ) -> None:
        """Completes the answer, or has it fail with a code such as REFUSED or OVERLOADED; returns once that is stored.

        Raises:
            As `append`.
        """
        async with self._lock:
            self._require_open()
            self._end = EndAnswer(
                error_code=error_code,
                error_message=error_message,
                input_tokens=input_tokens,
                output_tokens=output_tokens,
            )
            while not self._is_over:
                if self._call is not None and await _write(self._call, AppendTokensRequest(end=self._end)):
                    await self._conclude(self._call)
                if not self._is_over:
                    await self._reopen()

    async def leave(self) -> None:
        """Stops writing without an end; the claim is kept while its lease lasts."""
        self._close()

    async def open(self) -> None:
        """Opens the stream, by which the claim is kept; `Generator` has done so."""
        async with self._lock:
            if not await self._open_after(self.seq):
                await self._reopen()

    async def _open_after(self, seq: int) -> bool:
        """Opens a stream and sends again what is not stored; False where it broke."""
        call = self._call = self._generator._stream()
        self._opened_at = time.monotonic()
        self._watching = asyncio.create_task(self._watch(call))
        opened = OpenAnswer(message_id=self.message.id, generation=self.generation, after_seq=seq)
        return await _write(call, AppendTokensRequest(open=opened)) and await self._send(call, seq)

    async def _send(self, call: _Call, seq: int) -> bool:
        """Sends the tokens behind `seq`; False where the stream is over."""
        for start in range(seq - self.seq, len(self._tokens), _TOKENS_A_MESSAGE):
            batch = TokenBatch(tokens=self._tokens[start : start + _TOKENS_A_MESSAGE])
            if not await _write(call, AppendTokensRequest(tokens=batch)):
                return False
        return True

    async def _conclude(self, call: _Call) -> None:
        """Takes the word of the server for the end, if it comes."""
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await call.done_writing()
            self.message = (await call).message
            self._close()

    async def _watch(self, call: _Call) -> None:
        """Sees to it that the claim is kept while the generator thinks."""
        await call.code()
        async with self._lock:
            if self._call is call and not self._is_over:
                # It is told with the next token.
                with suppress(DomainError):
                    await self._reopen()

    async def _reopen(self) -> None:
        """Opens the stream again behind what is stored, until that holds.

        Raises:
            DomainError: the answer is lost, or the patience.
        """
        if time.monotonic() - self._opened_at > self._backoff.longest:
            self._backoff.restart()
        while not self._is_over:
            failure = await _verdict(self._call)
            if self._has_ended_as_said(failure):
                self._close()
                return
            if not isinstance(failure, Unavailable | DeadlineExceeded) and failure.reason not in _WORTH_A_CLAIM:
                self._lose(failure)
            if not await self._backoff.pause():
                self._lose(failure)
            try:
                told = await self._generator._claim(
                    ClaimAnswerRequest(
                        model_id=self.message.model_id, message_id=self.message.id, claimant=self._generator.claimant
                    )
                )
            except (Unavailable, DeadlineExceeded):
                continue
            except DomainError as refusal:
                if not self._has_ended_as_said(refusal):
                    self._lose(refusal)
                self._close()
                return
            # Another generation is that of an answer of which nothing was stored: it begins anew.
            self.generation = told.generation
            if await self._open_after(told.seq):
                return

    def _has_ended_as_said(self, refusal: DomainError) -> bool:
        """Whether the answer has ended by this object's own word, which was stored before its stream broke."""
        if self._end is None or refusal.reason != "ANSWER_ENDED":
            return False
        status = MESSAGE_STATUS_FAILED if self._end.error_code else MESSAGE_STATUS_COMPLETE
        said = {
            "status": MessageStatus.Name(status),
            "code": self._end.error_code,
            "seq": str(self.seq + len(self._tokens)),
        }
        if refusal.metadata != said:
            return False
        self.message.status = status
        return True

    def _require_open(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._is_over:
            raise Precondition("the answer is written no more", reason="ANSWER_ENDED")

    def _lose(self, failure: DomainError) -> NoReturn:
        self._failure = failure
        self._close()
        raise failure

    def _close(self) -> None:
        self._is_over = True
        self._generator._written.discard(self)
        if self._call is not None:
            self._call.cancel()
        if self._watching is not None and self._watching is not asyncio.current_task():
            self._watching.cancel()


async def _write(call: _Call, request: AppendTokensRequest) -> bool:
    """Sends one step; False where the stream is over."""
    try:
        await call.write(request)
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        return False
    return True


async def _verdict(call: _Call | None) -> DomainError:
    """Why a stream is over that nobody has ended here."""
    try:
        if call is not None:
            await call
    except grpc.aio.AioRpcError as error:
        if not broken(error):
            return from_rpc_error(error)
    return Unavailable("the stream of tokens broke")
