"""A viewer who checks every event of an answer's stream."""

from __future__ import annotations

from collections.abc import AsyncIterable
from dataclasses import dataclass, field

from llmchat.messages.v1.message_pb2 import Message
from llmchat.messages.v1.messages_service_pb2 import StreamEvent, StreamTokensRequest

from libs.common.token_text import split_tokens


@dataclass
class Seen:
    """What a viewer has seen of one answer so far, over one stream or several."""

    message_id: str = ""
    tokens: list[str] = field(default_factory=list)
    started: Message | None = None
    ended: Message | None = None

    @property
    def seq(self) -> int:
        """The number of the last token seen."""
        return len(self.tokens)

    @property
    def text(self) -> str:
        return "".join(self.tokens)

    def take(self, event: StreamEvent) -> None:
        """Checks that the event follows the one before, then keeps it."""
        self.message_id = self.message_id or event.message_id
        assert event.message_id == self.message_id
        assert self.ended is None, "nothing follows the end"
        match event.WhichOneof("event"):
            case "started":
                self.started = event.started.message
                assert not self.started.HasField("tokens")
            case "tokens":
                assert event.tokens.tokens, "an event without tokens says nothing"
                assert event.seq == self.seq + len(event.tokens.tokens), "a gap or a duplicate"
                self.tokens += event.tokens.tokens
            case "ended":
                self.ended = event.ended.message
                assert not self.ended.HasField("tokens")
        assert event.seq == self.seq

    def rest(self) -> StreamTokensRequest:
        """What to ask for to see the rest, in a stream of its own."""
        self.ended = None
        return StreamTokensRequest(message_id=self.message_id, after_seq=self.seq)


async def watch(stream: AsyncIterable[StreamEvent], seen: Seen | None = None, *, until: int | None = None) -> Seen:
    """Reads at least one event, until token `until` has been seen; else to the end of the stream."""
    seen = seen or Seen()
    async for event in stream:
        seen.take(event)
        if until is not None and seen.seq >= until:
            break
    return seen


def tokens_of(message: Message) -> list[str]:
    """The stored tokens of an answer."""
    return split_tokens(message.tokens)
