"""ClaimAnswer and AppendTokens: the way in for those who write answers outside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial

from llmchat.catalog.v1.model_config_pb2 import MODEL_PROVIDER_EXTERNAL, ModelConfig
from llmchat.messages.v1.message_pb2 import (
    MESSAGE_STATUS_COMPLETE,
    MESSAGE_STATUS_FAILED,
    ROLE_ASSISTANT,
    ROLE_USER,
    Message,
)
from llmchat.messages.v1.messages_service_pb2 import (
    AppendTokensRequest,
    AppendTokensResponse,
    ClaimAnswerRequest,
    ClaimAnswerResponse,
    ContextTurn,
    EndAnswer,
    OpenAnswer,
)
from ulid import ULID

from libs.common.clock import timestamp
from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.errors import Contended, DeadlineExceeded, DomainError, Invalid, Precondition
from libs.common.events.changes import Changes
from services.messages.chunks import read_tokens
from services.messages.collections import MESSAGES
from services.messages.external import Claim, ExternalAnswers, beyond, ended, not_claimed
from services.messages.generation import LEFT, Generation, Leave, Outcome
from services.messages.generations import Generations
from services.messages.history import build_context
from services.messages.models import Models
from services.messages.providers.port import ProviderError, Usage
from services.messages.rules import has_ended

SILENT = Outcome(MESSAGE_STATUS_FAILED, "TIMEOUT", "who writes this model's answers was silent for too long")
# Seconds before the deadline, at which the wait for an answer ends: what is claimed then is still heard of.
_MARGIN = 0.05


class Appending:
    """Gives answers to those who write them outside, and takes their tokens. `patience` is in seconds."""

    def __init__(
        self,
        documents: Documents,
        models: Models,
        generations: Generations,
        external: ExternalAnswers,
        changes: Changes,
        patience: float,
    ) -> None:
        """`changes` tells of answers that may be claimed, by model."""
        self._documents = documents
        self._models = models
        self._generations = generations
        self._external = external
        self._changes = changes
        self._patience = patience

    async def claim(self, call: Call, request: ClaimAnswerRequest) -> ClaimAnswerResponse:
        """The answer that is named, at once; else the one of the model that waits longest, as soon as there is one.

        Raises:
            NotFound: no such model, or no such answer of it.
            Precondition: the model's answers are not written outside; or the answer has ended, is not to be begun yet,
                is another claimant's, or is being ended (reasons MODEL_NOT_EXTERNAL, ANSWER_ENDED, NOT_WAITING,
                CLAIMED, NOT_CLAIMED).
            DeadlineExceeded: none waits until the deadline.
            Unavailable: this process is stopping.
        """
        self._generations.require_open()
        model = await self._models.get(request.model_id)
        if model.provider != MODEL_PROVIDER_EXTERNAL:
            raise Precondition(f"the answers of {model.id} are not written outside", reason="MODEL_NOT_EXTERNAL")
        if request.message_id:
            claim = await self._claim_named(request)
        else:
            claim = await self._claim_next(call, request)
        return await self._told(model, claim)

    async def append(self, requests: AsyncIterator[AppendTokensRequest]) -> AppendTokensResponse:
        """Stores and delivers what the stream brings, as far as it is a generation's; answers at its end.

        Raises:
            NotFound: no such answer.
            Precondition: the answer has ended otherwise than by this stream's word, or is not claimed by it any more
                (reasons ANSWER_ENDED, NOT_CLAIMED).
            Invalid: a step is out of its place, or a token is empty; or what is stored does not end with `after_seq`
                (reason OUT_OF_RANGE).
            Unavailable: this process is stopping, or the store does not take the tokens.
        """
        self._generations.require_open()
        opened = await _opened(requests)
        answer = await self._external.require_claimed(opened)
        steps = _Steps(requests)
        attempt = str(ULID()).lower()
        stored = collected = 0

        async def write(generation: Generation) -> Outcome:
            nonlocal stored, collected
            await self._external.open_stream(opened, attempt)
            generation.go_on_after(await read_tokens(self._documents, answer, 0))
            if generation.stored != opened.after_seq:
                raise beyond(generation.stored)
            silence = _Silence(generation, self._patience)
            try:
                return await generation.run(steps.pieces())
            finally:
                silence.over()
                stored, collected = generation.stored, len(generation.tokens)

        outcome = await self._generations.write(answer, attempt, write)
        if steps.refusal is not None:
            raise steps.refusal
        now = await self._documents.get(MESSAGES, answer.id)
        if has_ended(now):
            if steps.end is None or not _is_end(steps.end, now) or len(now.tokens.lengths) != collected:
                raise ended(now)
            stored = collected
        elif outcome is not LEFT:
            raise not_claimed()
        elif not steps.are_over:
            self._generations.require_open()
        now.ClearField("tokens")
        return AppendTokensResponse(seq=stored, message=now)

    async def _claim_named(self, request: ClaimAnswerRequest) -> Claim:
        for _ in range(2):
            claim = await self._external.claim_named(request.message_id, request.model_id, request.claimant)
            if claim is not None:
                return claim
            # Another's has run out: the answer is sealed, or free again.
            await self._generations.take_up(request.message_id)
        raise Contended("the answer is just being given back or ended: try again")

    async def _claim_next(self, call: Call, request: ClaimAnswerRequest) -> Claim:
        async with self._changes.watch(request.model_id) as hints:
            while True:
                left = call.remaining()
                try:
                    async with asyncio.timeout(None if left is None else left - _MARGIN):
                        await anext(hints)
                except TimeoutError:
                    raise DeadlineExceeded("no answer of this model waited for anyone to write it") from None
                claim = await self._external.claim_next(request.model_id, request.claimant)
                if claim is not None:
                    return claim

    async def _told(self, model: ModelConfig, claim: Claim) -> ClaimAnswerResponse:
        # A summary would have to be asked of the model, which is not here.
        context = await build_context(self._documents, model, claim.answer, summing_up=False)
        answer = await self._documents.unit(partial(_note_size, claim.answer, context.tokens))
        turns = [
            ContextTurn(role=ROLE_ASSISTANT if turn.role == "assistant" else ROLE_USER, text=turn.text)
            for turn in context.prompt.turns
        ]
        held = self._generations.stored_tokens(answer.id, 0)
        tokens = await read_tokens(self._documents, answer, 0) if held is None else held
        return ClaimAnswerResponse(
            message=answer,
            generation=answer.generation,
            seq=len(tokens),
            lease_expires_at=timestamp(claim.expires_at),
            system_prompt=context.prompt.system,
            context=turns,
        )


async def _opened(requests: AsyncIterator[AppendTokensRequest]) -> OpenAnswer:
    async for request in requests:
        if request.HasField("open"):
            return request.open
        break
    raise Invalid.field("open", "must come first")


def _is_end(end: EndAnswer, answer: Message) -> bool:
    """Whether the answer has ended in this way."""
    if end.error_code:
        return answer.status == MESSAGE_STATUS_FAILED and answer.error.code == end.error_code
    return answer.status == MESSAGE_STATUS_COMPLETE


async def _note_size(answer: Message, tokens: int, unit: Unit) -> Message:
    """Stages how large the context is, where that is not known of this attempt; the answer as it is then."""
    current = await unit.find(MESSAGES, answer.id)
    if current is None or has_ended(current) or current.generation != answer.generation:
        return answer
    if current.context_tokens != tokens:
        current.context_tokens = current.estimated_tokens = tokens
        unit.put(MESSAGES, current)
    return current


class _Steps:
    """What a stream brings behind `open`. `refusal` is for what is wrong with it, `end` its word for the end."""

    def __init__(self, requests: AsyncIterator[AppendTokensRequest]) -> None:
        self.refusal: DomainError | None = None
        self.end: EndAnswer | None = None
        self.are_over = False
        self._requests = requests

    async def pieces(self) -> AsyncGenerator[str | Usage, None]:
        """The tokens, as a provider gives them."""
        try:
            async for request in self._requests:
                step = request.WhichOneof("step")
                if step == "tokens":
                    for token in request.tokens.tokens:
                        if not token:
                            raise Invalid.field("tokens.tokens", "must not be empty")
                        yield token
                elif step == "end":
                    self.end = request.end
                    if request.end.HasField("input_tokens") or request.end.HasField("output_tokens"):
                        yield Usage(request.end.input_tokens, request.end.output_tokens)
                    if request.end.error_code:
                        raise ProviderError(request.end.error_code, request.end.error_message)
                    return
                else:
                    raise Invalid.field(step or "step", "must be tokens, or the end, behind the first one")
            self.are_over = True
        except DomainError as error:
            self.refusal = error
        raise Leave


class _Silence:
    """Fails a generation that brings no token for `patience` to twice `patience` seconds."""

    def __init__(self, generation: Generation, patience: float) -> None:
        self._generation = generation
        self._patience = patience
        self._heard = -1
        self._timer: asyncio.TimerHandle | None = None
        self._listen()

    def over(self) -> None:
        """Stops listening."""
        if self._timer is not None:
            self._timer.cancel()

    def _listen(self) -> None:
        if self._heard == len(self._generation.tokens):
            self._generation.stop(SILENT)
            return
        self._heard = len(self._generation.tokens)
        self._timer = asyncio.get_running_loop().call_later(self._patience, self._listen)
