"""What a store does with a Realtime Database before it uses it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from libs.common.errors import Conflict, Unavailable
from libs.common.store.port import Put, Query, Stored
from libs.common.store.rtdb.client import Client, Refused
from libs.common.store.rtdb.commits import Commits, Draft
from libs.common.store.rtdb.nodes import Collection
from libs.common.store.rtdb.reading import Reading
from libs.common.store.rtdb.rules import declared

_PORTION = 100  # documents that are read together, and get their places at once


async def check_rules(client: Client, place: str, collections: Iterable[Collection[Any]]) -> None:
    """Sees that the rules guard the place and know every index, by writes that change nothing.

    Raises:
        Unavailable: they do not; or the database cannot be reached.
    """
    orders = {
        f"declared/{collection.spec.name}/{name}": None
        for collection in collections
        for name in declared([collection.spec])
    }
    try:
        await client.update(orders)
    except Refused:
        text = f"{place}: the database's rules do not know all indexes: deploy those that `llmchat rules` makes"
        raise Unavailable(text, retry_after=None) from None
    try:
        await client.update({"unguarded": None})
    except Refused:
        return
    text = f"{place}: the database's rules guard nothing: deploy those that `llmchat rules` makes"
    raise Unavailable(text, retry_after=None)


async def fill_indexes(
    client: Client, reading: Reading, commits: Commits, collections: Iterable[Collection[Any]]
) -> None:
    """Gives the documents that are there their places in indexes that they were stored without.

    Raises:
        Unavailable: the database cannot be reached.
    """
    filled = await client.get("indexed") or {}
    for collection in collections:
        declaration = json.dumps(collection.declaration)
        if filled.get(collection.spec.name) != declaration:
            await _fill(reading, commits, collection)
            await client.update({f"indexed/{collection.spec.name}": declaration})


async def _fill(reading: Reading, commits: Commits, collection: Collection[Any]) -> None:
    after = None
    while page := await reading.query(collection, Query.by_id(collection.spec, after=after, limit=_PORTION)):
        await asyncio.gather(*(_put_again(reading, commits, collection, stored) for stored in page))
        after = page[-1].id


async def _put_again(reading: Reading, commits: Commits, collection: Collection[Any], stored: Stored[Any]) -> None:
    """Stores a document as it is, at the same revision."""
    there: Stored[Any] | None = stored
    while there is not None:
        put = Put(collection.spec.name, there.id, there.message, there.revision, there.revision)
        try:
            await commits.commit([Draft.of(put, collection)])
        except Conflict:  # it moved, or is gone
            there = await reading.get(collection, stored.id)
        else:
            return
