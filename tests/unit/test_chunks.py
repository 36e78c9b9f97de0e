"""The stored tokens of a running answer, read from any place. On the memory provider."""

from __future__ import annotations

import pytest
from llmchat.messages.v1.message_pb2 import Message

from libs.common.clock import wall_clock
from libs.common.crypto.requests import RequestSeal
from libs.common.documents.documents import Documents
from libs.common.documents.pages import PageTokens
from libs.common.documents.system import SYSTEM_COLLECTIONS
from libs.common.documents.unit import Unit
from libs.common.errors import Conflict
from libs.common.store.memory import MemoryStore
from services.messages.chunks import MAX_CHUNK_TOKENS, create_chunk, oldest_chunks, read_tokens
from services.messages.collections import CHUNKS, COLLECTIONS

ANSWER = Message(id="msg_1", generation="g1")


@pytest.fixture
def documents() -> Documents:
    store = MemoryStore([*COLLECTIONS, *SYSTEM_COLLECTIONS])
    return Documents(store, wall_clock, PageTokens([b"p" * 32]), RequestSeal([b"d" * 32]))


async def store(documents: Documents, first_seq: int, tokens: list[str], answer: Message = ANSWER) -> None:
    unit = Unit(documents.store, documents.clock())
    create_chunk(unit, answer, first_seq, tokens)
    await unit.commit()


def numbered(first: int, last: int) -> list[str]:
    return [f"t{number}" for number in range(first, last + 1)]


async def test_what_follows_any_token(documents: Documents) -> None:
    """Chunks of every size, and more of them than one read takes."""
    seq = 0
    for size in (1, MAX_CHUNK_TOKENS, 3, *[1] * 210, MAX_CHUNK_TOKENS):
        await store(documents, seq + 1, numbered(seq + 1, seq + size))
        seq += size
    await store(documents, 1, ["another's"], Message(id="msg_1", generation="g2"))

    for after_seq in range(seq + 2):
        assert await read_tokens(documents, ANSWER, after_seq) == numbered(after_seq + 1, seq)


async def test_what_is_left_while_chunks_are_removed_follows_nothing(documents: Documents) -> None:
    for first_seq in (1, 4, 7):
        await store(documents, first_seq, numbered(first_seq, first_seq + 2))

    async def remove_the_oldest(unit: Unit) -> None:
        unit.delete(CHUNKS, (await oldest_chunks(unit, ANSWER.id, 1))[0].id)

    await documents.unit(remove_the_oldest)
    assert await read_tokens(documents, ANSWER, 0) == []
    assert await read_tokens(documents, ANSWER, 2) == []
    assert await read_tokens(documents, ANSWER, 3) == numbered(4, 9)


async def test_a_place_is_taken_once(documents: Documents) -> None:
    await store(documents, 1, ["first"])
    with pytest.raises(Conflict):
        await store(documents, 1, ["second"])
    assert await read_tokens(documents, ANSWER, 0) == ["first"]
