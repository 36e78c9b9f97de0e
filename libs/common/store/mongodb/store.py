"""The provider over a MongoDB replica set, 8.0 or newer, by PyMongo's asynchronous client.

A service has a database of its own, and each of its collections is one there; `layout` says how documents lie in it.

A commit is one transaction of two round trips whatever it writes: a `bulkWrite` across collections that expects the
revisions, and the commit. One document alone is written atomically without. Written is what a majority of the replica
set has in its journal, and read is what such a majority has; lists are read at one moment, so they see whole commits.

That a document is absent is asserted by inserting and deleting it within the transaction: who puts it, or asserts the
same, at the same time meets a write conflict, and one of the two begins again. It costs two steps of the same
`bulkWrite`, and commits that assert the absence of the same document come one after another (`turns`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pymongo
from bson.codec_options import CodecOptions, TypeDecoder, TypeRegistry
from bson.int64 import Int64
from pymongo import AsyncMongoClient, ReadPreference
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import ClientBulkWriteException
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from libs.common.errors import Unavailable
from libs.common.store.codec import Json
from libs.common.store.mongodb.failures import told
from libs.common.store.mongodb.layout import READ, Layout
from libs.common.store.mongodb.opening import check_server, connect, prepare
from libs.common.store.mongodb.steps import Step, check, check_failed, steps_of
from libs.common.store.mongodb.turns import Turns
from libs.common.store.port import CollectionSpec, M, Query, Search, Stored, Write
from libs.common.store.rules import check_writes
from libs.common.under_way import UnderWay

_OPEN_PATIENCE = 600.0  # seconds: the indexes of a large collection may have to be made and filled
_COMMIT_PATIENCE = 20.0  # seconds, with all its attempts; as long may one wait for its turn
_AT_ONCE = 32  # commits of this process: more would hold their snapshots for longer, and finish no sooner
_WRITTEN = WriteConcern("majority", j=True)
_COMMITTED = ReadConcern("majority")
_ONE_MOMENT = ReadConcern("snapshot")


class _WholeNumber(TypeDecoder):
    """64-bit numbers as Python's own, which the codec asks for."""

    bson_type = Int64

    def transform_bson(self, value: Any) -> int:
        return int(value)


class MongoStore:
    """A `Store` in one database of a replica set. Open it with `MongoStore.open`; it belongs to one event loop."""

    def __init__(
        self, client: AsyncMongoClient[Json], database: str, where: str, layouts: dict[str, Layout[Any]]
    ) -> None:
        self._client = client
        self._where = where
        self._layouts = layouts
        self._specs = {name: layout.spec for name, layout in layouts.items()}
        self._database = client.get_database(
            database,
            codec_options=CodecOptions(type_registry=TypeRegistry([_WholeNumber()])),
            read_preference=ReadPreference.PRIMARY,
            write_concern=_WRITTEN,
            read_concern=_COMMITTED,
        )
        self._turns = Turns(_AT_ONCE, _COMMIT_PATIENCE)
        self._under_way = UnderWay()

    @classmethod
    async def open(cls, url: str, service: str, specs: Sequence[CollectionSpec[Any]]) -> MongoStore:
        """Opens the database `{DATABASE}_{service}` and brings its collections and indexes to what `specs` declare.

        New indexes are filled from the documents that are there; indexes that no declaration asks for any more are
        dropped. Collections that are not declared stay as they are. Processes that have the database open at the same
        time declare the same.

        Raises:
            ValueError: an index names a field that its message does not have.
            Invalid: the URL is malformed or names no database.
            Unavailable: no primary answers, it refuses the credentials, it is no replica set or older than 8.0.
        """
        layouts = {spec.name: Layout(spec) for spec in specs}
        client, database, where = connect(url, service)
        try:
            with told(where):
                store = cls(client, database, where, layouts)
                await check_server(client, where)
                with pymongo.timeout(_OPEN_PATIENCE):
                    await prepare(store._database, layouts.values())
        except BaseException:
            await client.close()
            raise
        return store

    async def get(self, spec: CollectionSpec[M], id: str) -> Stored[M] | None:
        """The document, or None."""
        layout, collection = self._kept(spec)
        with told(self._where):
            try:
                row = await self._under_way.run(collection.find_one({"_id": id}, READ))
            except UnicodeEncodeError:  # half of a surrogate pair: nothing stored is equal to it
                return None
        return None if row is None else layout.stored(row)

    async def get_many(self, spec: CollectionSpec[M], ids: Sequence[str]) -> list[Stored[M]]:
        """Those of the documents that exist, in the order of `ids`, each once."""
        wanted = list(dict.fromkeys(ids))
        if not wanted:
            self._check_open()
            return []
        rows = await self._found(spec, {"filter": {"_id": {"$in": wanted}}})
        found = {stored.id: stored for stored in rows}
        return [found[id] for id in wanted if id in found]

    async def query(self, query: Query[M]) -> list[Stored[M]]:
        """The documents after the query's cursor, in its order."""
        return await self._found(query.spec, self._layouts[query.spec.name].selected(query))

    async def count(self, query: Query[M]) -> int:
        """How many documents the query's equalities or prefix hold."""
        layout, collection = self._kept(query.spec, _ONE_MOMENT)
        held = layout.held(query)
        with told(self._where):
            try:
                return await self._under_way.run(collection.count_documents(held))
            except (UnicodeEncodeError, OverflowError):
                return 0

    async def search(self, search: Search[M]) -> list[Stored[M]]:
        """The documents that hold the words, those with the most weight first."""
        layout, collection = self._kept(search.spec, _ONE_MOMENT)

        async def run() -> list[Json]:
            return await (await collection.aggregate(layout.found(search))).to_list()

        with told(self._where):
            try:
                rows = await self._under_way.run(run())
            except (UnicodeEncodeError, OverflowError):
                return []
        return [layout.stored(row) for row in rows]

    async def commit(self, writes: Sequence[Write]) -> None:
        """Encodes the writes at once; a cancelled caller's go on."""
        self._check_open()
        check_writes(writes, self._specs)
        if not writes:
            return
        name = self._database.name
        steps = [step for write in writes for step in steps_of(write, self._layouts[write.collection], name)]
        await self._under_way.run(self._commit(steps))

    async def ping(self) -> None:
        """Returns when the primary answers."""
        self._check_open()
        with told(self._where):
            await self._under_way.run(self._client.admin.command("ping", read_preference=ReadPreference.PRIMARY))

    async def close(self) -> None:
        """Waits for what was handed in, then lets go of the connections."""
        await self._under_way.close(self._client.close)

    async def _commit(self, steps: Sequence[Step]) -> None:
        # One step is atomic by itself, and the server has it wait for others.
        keys = [(step.write.collection, step.write.id) for step in steps] if len(steps) > 1 else []
        async with self._turns.take(keys):
            with told(self._where), pymongo.timeout(_COMMIT_PATIENCE):
                if not keys:
                    await self._write(steps, None)
                    return
                async with self._client.start_session(causal_consistency=False) as session:
                    # The driver begins again where the conflict passes, and asks again where the answer to the commit
                    # was lost: the server knows whether it was done.
                    await session.with_transaction(
                        lambda session: self._write(steps, session), _ONE_MOMENT, _WRITTEN, ReadPreference.PRIMARY
                    )

    async def _write(self, steps: Sequence[Step], session: AsyncClientSession | None) -> None:
        models = [step.model for step in steps]
        concern = _WRITTEN if session is None else None
        try:
            result = await self._client.bulk_write(models, session, verbose_results=True, write_concern=concern)
        except ClientBulkWriteException as failed:
            check_failed(steps, failed)
        else:
            check(steps, result)

    async def _found(self, spec: CollectionSpec[M], selected: Json) -> list[Stored[M]]:
        layout, collection = self._kept(spec, _ONE_MOMENT)
        with told(self._where):
            try:
                rows = await self._under_way.run(collection.find(**selected, projection=READ).to_list())
            except (UnicodeEncodeError, OverflowError):
                # Half of a surrogate pair, or a number beyond 64 bits: nothing stored is equal to it.
                return []
        return [layout.stored(row) for row in rows]

    def _kept(
        self, spec: CollectionSpec[M], concern: ReadConcern = _COMMITTED
    ) -> tuple[Layout[M], AsyncCollection[Json]]:
        """The layout and the collection, to be read with that concern."""
        layout = self._layouts[spec.name]
        self._check_open()
        return layout, self._database.get_collection(spec.name, read_concern=concern)

    def _check_open(self) -> None:
        if self._under_way.is_closed:
            raise Unavailable(f"{self._where}: the store is closed")
