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


async def chunk_ids(unit: Unit, message_id: str, limit: int) -> list[str]:
    """The ids of at most `limit` chunks of a message, of whatever generation."""
    return [chunk.id for chunk in await unit.query(Query.by_id(CHUNKS, f"{message_id}.", limit=limit))]


def _prefix(message: Message) -> str:
    return f"{message.id}.{message.generation}."


def _chunk_id(message: Message, first_seq: int) -> str:
    return f"{_prefix(message)}{first_seq:06}"
