"""One attempt at an answer: from the provider's pieces to stored, then delivered, tokens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from llmchat.messages.v1.message_pb2 import (
    MESSAGE_STATUS_CANCELLED,
    MESSAGE_STATUS_COMPLETE,
    MESSAGE_STATUS_FAILED,
    MESSAGE_STATUS_UNSPECIFIED,
    Message,
    MessageStatus,
)

from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.errors import Conflict, DomainError
from libs.common.failpoints import Failpoints
from services.messages.chunks import MAX_CHUNK_TOKENS, create_chunk
from services.messages.hub import Hub, LiveTokens
from services.messages.leases import WriterLease
from services.messages.providers.port import ProviderError, Usage
from services.messages.summaries import Place

_log = logging.getLogger(__name__)

# The seeds' limit on an assistant's message, and a bound on its text that keeps the document within any engine's size.
MAX_TOKENS = 10_000
MAX_TEXT = 250_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a generation ended; `code` and `text` say why it failed.

    `input_tokens` (of the context) and `total_tokens` (of the answer) are the provider's count, if any. `retry_after`
    is the seconds that it asked to wait, `retries` how often it was asked again before it failed.
    """

    status: MessageStatus
    code: str = ""
    text: str = ""
    total_tokens: int | None = None
    input_tokens: int | None = None
    retry_after: float | None = None
    retries: int = 0


CANCELLED = Outcome(MESSAGE_STATUS_CANCELLED)
INTERRUPTED = Outcome(MESSAGE_STATUS_FAILED, "INTERRUPTED", "the process that wrote this answer ended")
# Another process ends the answer, or has ended it: this one stores and says nothing more.
TAKEN_OVER = Outcome(MESSAGE_STATUS_UNSPECIFIED)
# Who writes it outside has gone without an end, and may come back: what was said is stored, and the claim is kept.
LEFT = Outcome(MESSAGE_STATUS_UNSPECIFIED, "LEFT")


class Leave(Exception):
    """Raised by an answer's pieces in place of an end: more of them may come over another stream."""


class Generation:
    """The only writer of a message's chunks. Tokens gather during a commit, and for `linger` seconds at most.

    Delivered is only what is stored. After `run`, `tokens` holds all that was collected, the first `stored` of which
    are in chunks: the rest goes into the commit that ends the message.
    """

    def __init__(
        self,
        message: Message,
        documents: Documents,
        hub: Hub,
        lease: WriterLease,
        *,
        linger: float,
        failpoints: Failpoints,
    ) -> None:
        self.message = message
        self.lease = lease
        self.tokens: list[str] = []
        self.stored = 0
        # Up to where a summary is to tell what the answer's context had no room for.
        self.outgrown: Place | None = None
        self._documents = documents
        self._hub = hub
        self._linger = linger
        self._failpoints = failpoints
        self._characters = 0
        self._arrived = asyncio.Event()
        self._outcome: Outcome | None = None
        self._collecting: asyncio.Task[None] | None = None

    def stop(self, outcome: Outcome) -> None:
        """Ends the attempt with what it has; an outcome that stands already stays."""
        self._end(outcome)
        if self._collecting is not None:
            self._collecting.cancel()

    def go_on_after(self, tokens: Sequence[str]) -> None:
        """Has `run` go on behind what is stored already."""
        self.tokens = list(tokens)
        self.stored = len(self.tokens)
        self._characters = sum(map(len, self.tokens))

    async def run(self, pieces: AsyncGenerator[str | Usage, None]) -> Outcome:
        """Collects and stores until the provider, a limit or `stop` ends it, or it turns out to be taken over.

        Raises:
            Unavailable: the store does not take the tokens.
        """
        self._collecting = asyncio.create_task(self._collect(pieces))
        try:
            while True:
                await self._arrived.wait()
                # What is left without an end is stored whole: no end takes the rest along.
                if self._outcome is not None and (self._outcome is not LEFT or self.stored == len(self.tokens)):
                    return self._outcome
                if self.stored and self._linger:
                    await asyncio.sleep(self._linger)
                self._arrived.clear()
                if not await self._store_chunk():
                    return TAKEN_OVER
                if self.stored < len(self.tokens) or self._outcome is not None:
                    self._arrived.set()
        finally:
            # The provider's connection is closed before anyone hears that the generation is over.
            self._collecting.cancel()
            with suppress(asyncio.CancelledError):
                await self._collecting

    async def _collect(self, pieces: AsyncGenerator[str | Usage, None]) -> None:
        total_tokens = input_tokens = None
        try:
            async for piece in pieces:
                if isinstance(piece, Usage):
                    total_tokens, input_tokens = piece.output_tokens, piece.input_tokens
                    continue
                if len(self.tokens) >= MAX_TOKENS or self._characters + len(piece) > MAX_TEXT:
                    self._end(
                        Outcome(MESSAGE_STATUS_FAILED, "TOO_MANY_TOKENS", "the answer is longer than may be stored")
                    )
                    return
                self.tokens.append(piece)
                self._characters += len(piece)
                self._arrived.set()
            self._end(Outcome(MESSAGE_STATUS_COMPLETE, total_tokens=total_tokens, input_tokens=input_tokens))
        except Leave:
            self._end(LEFT)
        except ProviderError as error:
            failed = Outcome(MESSAGE_STATUS_FAILED, error.code, error.text, total_tokens, input_tokens)
            self._end(replace(failed, retry_after=error.retry_after, retries=error.retries))
        except Exception:
            # A defect in one provider fails its answer, in sight, and leaves no generation without an end.
            _log.exception("provider of %s failed unexpectedly", self.message.model_id)
            self._end(Outcome(MESSAGE_STATUS_FAILED, "PROVIDER_ERROR", "the provider failed unexpectedly"))
        finally:
            await pieces.aclose()

    def _end(self, outcome: Outcome) -> None:
        self._outcome = self._outcome or outcome
        self._arrived.set()

    async def _store_chunk(self) -> bool:
        """Stores and delivers what has gathered; False where this process may not write any more."""
        tokens = self.tokens[self.stored : self.stored + MAX_CHUNK_TOKENS]
        if not tokens:
            return True
        if not await self.lease.is_held():
            return False
        unit = Unit(self._documents.store, self._documents.clock())
        create_chunk(unit, self.message, self.stored + 1, tokens)
        try:
            await unit.commit()
        except Conflict:
            return False
        self._failpoints.reach("after_chunk_before_delivery")
        self._hub.publish(self.message.id, LiveTokens(self.stored + 1, tokens))
        self.stored += len(tokens)
        return True


def failure(error: DomainError) -> Outcome:
    """The outcome of a generation that could not begin or go on for a reason of our own."""
    return Outcome(MESSAGE_STATUS_FAILED, error.reason, error.text)
