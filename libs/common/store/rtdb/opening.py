"""What a store does with a Realtime Database before it uses it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from libs.common.errors import Unavailable
from libs.common.store.port import Cursor, Put, Query
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
    recorded = await client.get("indexed") or {}
    fresh = {}
    for collection in collections:
        name = collection.spec.name
        declaration = {"orders": collection.orders, "text": collection.text}
        before = json.loads(recorded.get(name, '{"orders": [], "text": ""}'))
        if declaration == before:
            continue
        if before["text"] not in ("", collection.text):
            await client.update({f"words/{name}": None})
        if collection.text != before["text"] or not set(collection.orders) <= set(before["orders"]):
            await _fill(reading, commits, collection, has_words=collection.text == before["text"])
        fresh[f"indexed/{name}"] = json.dumps(declaration)
    if fresh:
        await client.update(fresh)


async def _fill(reading: Reading, commits: Commits, collection: Collection[Any], *, has_words: bool) -> None:
    """Stores every document that lacks a place as it is, at the same revision."""
    query = Query.by_id(collection.spec, limit=_PORTION)
    while nodes := await reading.portion(collection, query):
        lacking = [node for node in nodes if not (has_words and collection.is_placed(node))]
        drafts, versions = [], []
        for node in lacking:
            stored = collection.stored(node)
            if stored is not None:
                put = Put(collection.spec.name, stored.id, stored.message, revision=stored.revision)
                drafts.append(Draft.of(put, collection))
                version = collection.version(node)
                versions.append(version if has_words else replace(version, words={}))
        # What another process moved, or placed, meanwhile is looked at again.
        if not drafts or await commits.is_applied(drafts, versions):
            query = replace(query, after=Cursor(None, nodes[-1]["id"]))
