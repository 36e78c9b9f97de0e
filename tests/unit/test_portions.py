"""Portions: a large effect is bounded in documents and in bytes, and goes through everything once."""

from __future__ import annotations

import pytest
from llmchat.messages.v1.message_pb2 import Message

from libs.common.clock import wall_clock
from libs.common.documents.portions import Portion, read_portion
from libs.common.documents.unit import Unit
from libs.common.store.memory import MemoryStore
from libs.common.store.port import Query
from services.messages.collections import COLLECTIONS, MESSAGES

KB = 1024
IN_ORDER = Query.where(MESSAGES, order="position", thread_id="t")
BY_ID = Query.by_id(MESSAGES)


async def portion_of(query: Query[Message], count: int, size: int) -> Portion[Message]:
    """The first portion of `count` messages of about `size` bytes."""
    store = MemoryStore(COLLECTIONS)
    unit = Unit(store, wall_clock())
    for number in range(count):
        # By position they stand in another order than by id.
        unit.create(MESSAGES, Message(id=f"{number:03}", thread_id="t", position=count - number, content="x" * size))
    await unit.commit()
    return await read_portion(Unit(store, wall_clock()), query)


@pytest.mark.parametrize("query", [IN_ORDER, BY_ID], ids=["by an index", "by id"])
@pytest.mark.parametrize(
    ("count", "size", "taken", "is_last"),
    [
        (0, 0, 0, True),
        (1, 3000 * KB, 1, True),
        (2, 3000 * KB, 1, False),
        (9, 200 * KB, 6, False),
        (6, 200 * KB, 6, True),
        (10, 200 * KB, 6, False),
        (10, 1, 10, True),
        (11, 1, 11, True),
        (99, 1, 99, True),
        (101, 1, 100, False),
    ],
)
async def test_a_portion_ends_at_a_hundred_documents_or_with_the_one_that_reaches_a_megabyte(
    query: Query[Message], count: int, size: int, taken: int, is_last: bool
) -> None:
    portion = await portion_of(query, count, size)

    ids = [f"{number:03}" for number in range(count)]
    in_order = ids if query is BY_ID else ids[::-1]
    assert [message.id for message in portion.documents] == in_order[:taken]
    assert portion.is_last == is_last
