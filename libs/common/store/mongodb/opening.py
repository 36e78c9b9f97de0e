"""What is done once, when a store is opened: the URL, the collections, their indexes, and what those hold."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from pymongo import AsyncMongoClient, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import CollectionInvalid, DuplicateKeyError, OperationFailure, PyMongoError
from pymongo.uri_parser import parse_uri

from libs.common.errors import Invalid, Unavailable
from libs.common.store.codec import Json
from libs.common.store.mongodb.layout import READ, Layout

# Used where the URL sets none. Milliseconds.
_DEFAULTS = {
    "appname": "llmchat",
    "connecttimeoutms": 5000,
    "maxpoolsize": 64,
    "serverselectiontimeoutms": 5000,  # an election takes longer: callers hear of it and come again
    "timeoutms": 10_000,
}
_VERSION_8 = 25  # as the wire counts: the first that writes to several collections in one command
_DECLARED = "_declared"  # by collection, what its documents were last filled for
_NO_INDEX = 27
_THERE_ALREADY = 48
_PORTION = 500  # documents


def connect(url: str, service: str) -> tuple[AsyncMongoClient[Json], str, str]:
    """A client, not yet connected, the name of the service's database, and how texts call the place.

    Raises:
        Invalid: the URL is malformed or names no database.
    """
    try:
        parsed = parse_uri(url)
        given = {name.lower() for name in parsed["options"]}
        defaults: dict[str, Any] = {name: value for name, value in _DEFAULTS.items() if name not in given}
        client: AsyncMongoClient[Json] = AsyncMongoClient(url, **defaults, retryWrites=True, retryReads=True)
    except (PyMongoError, ValueError, TypeError):
        # The driver's text may quote the URL, and with it a password.
        raise Invalid("the store's mongodb:// URL is malformed, or an option of it has no such value") from None
    if not parsed["database"]:
        raise Invalid("the store's mongodb:// URL names no database: mongodb://HOST:PORT/DATABASE")
    hosts = ",".join(f"{host}:{port}" if port else host for host, port in parsed["nodelist"])
    name = f"{parsed['database']}_{service}"
    return client, name, f"MongoDB at {hosts}, database {name}"


async def check_server(client: AsyncMongoClient[Json], where: str) -> None:
    """Looks whether what answers can do what is asked of it.

    Raises:
        Unavailable: it has no transactions, or is older than MongoDB 8.0.
    """
    hello = await client.admin.command("hello")
    if hello["maxWireVersion"] < _VERSION_8:
        raise Unavailable(f"{where}: is older than MongoDB 8.0", retry_after=None)
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise Unavailable(f"{where}: is no replica set, so it has no transactions", retry_after=None)


async def prepare(database: AsyncDatabase[Json], layouts: Iterable[Layout[Any]]) -> None:
    """Brings collections and indexes to what is declared, and fills what new indexes hold from the documents.

    Any number of processes may do it at once: each step may be repeated, and a fill leaves alone what has moved since
    it was read. What a process that dies leaves undone, the next one does.
    """
    marks = database[_DECLARED]
    there = {mark.pop("_id"): mark async for mark in marks.find()}
    made = set(await database.list_collection_names())
    for layout in layouts:
        name = layout.spec.name
        collection = database[name]
        if name not in made:
            await _create(database, name)
        if models := layout.models():
            await collection.create_indexes(models)
        mark = {**layout.declared, "indexes": sorted(layout.indexes)}
        before = there.get(name, {})
        if before == mark:
            continue
        if any(before.get(part) != kept for part, kept in layout.declared.items()):
            await _fill(collection, layout)
        await _drop_others(collection, layout)
        with suppress(DuplicateKeyError):  # another process has just put the same
            await marks.replace_one({"_id": name}, mark, upsert=True)


async def _create(database: AsyncDatabase[Json], name: str) -> None:
    try:
        await database.create_collection(name, check_exists=False)
    except CollectionInvalid:
        return
    except OperationFailure as error:
        if error.code != _THERE_ALREADY:
            raise


async def _drop_others(collection: AsyncCollection[Json], layout: Layout[Any]) -> None:
    there = await collection.index_information()
    for name in there.keys() - layout.indexes.keys() - {"_id_"}:
        try:
            await collection.drop_index(name)
        except OperationFailure as error:
            if error.code != _NO_INDEX:
                raise


async def _fill(collection: AsyncCollection[Json], layout: Layout[Any]) -> None:
    """Writes what indexes find them by anew into every document."""
    held: Json = {}
    while rows := await collection.find(held, {**READ}).sort("_id").limit(_PORTION).to_list():
        held = {"_id": {"$gt": rows[-1]["_id"]}}
        changes = [
            UpdateOne({"_id": row["_id"], "revision": row["revision"]}, _refilled(layout.found_by(layout.message(row))))
            for row in rows
        ]
        await collection.bulk_write(changes, ordered=False)


def _refilled(found_by: Json) -> Json:
    return {"$set": found_by} if "search" in found_by else {"$set": found_by, "$unset": {"search": True}}
