"""The stored tokens of a running generation."""

from __future__ import annotations

from collections.abc import Sequence

from llmchat.messages.stored.v1.stream_pb2 import Chunk
from llmchat.messages.v1.message_pb2 import Message

from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.store.port import Query
from libs.common.token_text import join_tokens, split_tokens
from services.messages.collections import CHUNKS

MAX_CHUNK_TOKENS = 256
_CHUNKS_A_READ = 200


def create_chunk(unit: Unit, message: Message, first_seq: int, tokens: Sequence[str]) -> None:
    """Stages the tokens numbered from `first_seq`; a Conflict at the commit means that this place is taken."""
    chunk = Chunk(id=_chunk_id(message, first_seq), first_seq=first_seq, tokens=join_tokens(tokens))
    unit.create(CHUNKS, chunk)


async def create_fence(unit: Unit, message: Message) -> bool:
    """Stages a fence in the place of the next chunk; False where there is one already.

    A Conflict at the commit means that the writer took the place first. Once it is committed the writer meets one.
    """
    last = await unit.query(Query.by_id(CHUNKS, _prefix(message), descending=True, limit=1))
    if last and last[0].is_fence:
        return False
    first_seq = last[0].first_seq + len(last[0].tokens.lengths) if last else 1
    unit.create(CHUNKS, Chunk(id=_chunk_id(message, first_seq), first_seq=first_seq, is_fence=True))
    return True


async def create_first_fence(unit: Unit, message: Message) -> bool:
    """Stages a fence in the place of the first chunk; False where that is taken."""
    if await unit.query(Query.by_id(CHUNKS, _prefix(message), limit=1)):
        return False
    unit.create(CHUNKS, Chunk(id=_chunk_id(message, 1), first_seq=1, is_fence=True))
    return True


async def read_tokens(documents: Documents, message: Message, after_seq: int) -> list[str]:
    """All stored tokens after the one numbered `after_seq`, while the generation runs.

    Once it has ended its chunks go, oldest first, and what is left of them is not taken for what follows.
    """
    # A chunk that holds the token after `after_seq` begins at most a chunk's length before it.
    after = _chunk_id(message, max(0, after_seq - MAX_CHUNK_TOKENS))
    tokens: list[str] = []
    while True:
        query = Query.by_id(CHUNKS, _prefix(message), after=after, limit=_CHUNKS_A_READ)
        chunks = await documents.query(query)
        for chunk in chunks:
            known = after_seq + len(tokens) + 1 - chunk.first_seq
            if known < 0:
                return tokens
            tokens += split_tokens(chunk.tokens, known)
        if len(chunks) < _CHUNKS_A_READ:
            return tokens
        after = chunks[-1].id


async def oldest_chunks(unit: Unit, message_id: str, limit: int) -> list[Chunk]:
    """At most `limit` chunks of a message, of whatever generation, a fence among them."""
    return await unit.query(Query.by_id(CHUNKS, f"{message_id}.", limit=limit))


def _prefix(message: Message) -> str:
    return f"{message.id}.{message.generation}."


def _chunk_id(message: Message, first_seq: int) -> str:
    return f"{_prefix(message)}{first_seq:06}"
