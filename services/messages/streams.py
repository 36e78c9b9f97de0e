"""Following an answer: what is stored, then what is live, each token once and in order."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AsyncExitStack

from llmchat.messages.v1.message_pb2 import Message
from llmchat.messages.v1.messages_service_pb2 import Ended, Started, StreamEvent, TokenBatch

from libs.common.documents.documents import Documents
from libs.common.errors import Invalid
from libs.common.token_text import split_tokens
from services.messages.chunks import read_tokens
from services.messages.collections import MESSAGES
from services.messages.generations import Generations
from services.messages.hub import Hub, LiveTokens
from services.messages.rules import has_ended

# Bounds one event: 10,000 tokens of a message at its largest would come near what gRPC lets through.
_TOKENS_AN_EVENT = 2000


class Streams:
    """Streams of answers. `watchdog` is in seconds."""

    def __init__(self, documents: Documents, hub: Hub, generations: Generations, watchdog: float) -> None:
        self._documents = documents
        self._hub = hub
        self._generations = generations
        self._watchdog = watchdog

    async def follow(
        self, message_id: str, after_seq: int, *, in_one_piece: bool = False
    ) -> AsyncGenerator[StreamEvent, None]:
        """The events of an answer after its token `after_seq`, until it has ended.

        What runs here is followed here, anything else that has not ended over the bus. A gap in what is live, a full
        queue, the end, or `watchdog` seconds of silence send the reader to the store. `in_one_piece`: its tokens come
        at its end, all at once.

        Raises:
            NotFound: there is no such message, or it was deleted meanwhile.
            Invalid: `after_seq` is beyond the last stored token (reason OUT_OF_RANGE).
            Unavailable: this process is stopping.
        """
        async with AsyncExitStack() as stack:
            follower = stack.enter_context(self._hub.follow(message_id))
            is_listening = not self._hub.reaches_replicas
            message = await self._open(message_id, after_seq)
            yield StreamEvent(message_id=message_id, seq=after_seq, started=Started(message=_without_tokens(message)))
            seq = after_seq
            while True:
                # Held back, what is stored is read once: all of it, in the ended message.
                stored = [] if in_one_piece and not has_ended(message) else await self._stored(message, seq)
                for event in _batches(message_id, seq, stored):
                    yield event
                    seq = event.seq
                if has_ended(message):
                    yield StreamEvent(message_id=message_id, seq=seq, ended=Ended(message=_without_tokens(message)))
                    return
                if not is_listening and not self._generations.runs(message_id):
                    # What is stored before this is confirmed may never be heard of: the store is read once more.
                    await stack.enter_async_context(self._hub.listen(message_id, follower))
                    is_listening = True
                else:
                    while live := await follower.take(self._watchdog):
                        if in_one_piece:
                            continue
                        fresh = _continue(live, seq)
                        if fresh is None:
                            break
                        for event in _batches(message_id, seq, fresh):
                            yield event
                            seq = event.seq
                message = await self._documents.get(MESSAGES, message_id)

    async def _open(self, message_id: str, after_seq: int) -> Message:
        message = await self._documents.get(MESSAGES, message_id)
        if after_seq and not has_ended(message) and not await self._has_stored(message, after_seq):
            # No such token, unless the answer ended in between and took its chunks along.
            message = await self._documents.get(MESSAGES, message_id)
            if not has_ended(message):
                raise _beyond()
        if has_ended(message) and after_seq > len(message.tokens.lengths):
            raise _beyond()
        return message

    async def _has_stored(self, message: Message, seq: int) -> bool:
        """Whether there is such a token. Others may have read it before its writer here hears that it is stored."""
        return bool(await self._stored(message, seq - 1) or await read_tokens(self._documents, message, seq - 1))

    async def _stored(self, message: Message, after_seq: int) -> list[str]:
        if has_ended(message):
            return split_tokens(message.tokens, after_seq)
        # What the generation has stored it still holds, if it runs here: no need to gather it from its chunks.
        held = self._generations.stored_tokens(message.id, after_seq)
        return await read_tokens(self._documents, message, after_seq) if held is None else held


def _beyond() -> Invalid:
    return Invalid.field("after_seq", "is beyond the last token", reason="OUT_OF_RANGE")


def _continue(live: Sequence[LiveTokens], seq: int) -> list[str] | None:
    """The tokens of `live` after `seq`; None where some in between are missing."""
    fresh: list[str] = []
    for item in live:
        known = seq + len(fresh) + 1 - item.first_seq
        if known < 0:
            return None
        fresh += item.tokens[known:]
    return fresh


def _batches(message_id: str, seq: int, tokens: Sequence[str]) -> Iterator[StreamEvent]:
    for start in range(0, len(tokens), _TOKENS_AN_EVENT):
        batch = tokens[start : start + _TOKENS_AN_EVENT]
        seq += len(batch)
        yield StreamEvent(message_id=message_id, seq=seq, tokens=TokenBatch(tokens=batch))


def _without_tokens(message: Message) -> Message:
    shown = Message()
    shown.CopyFrom(message)
    shown.ClearField("tokens")
    return shown
