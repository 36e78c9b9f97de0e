"""The provider over Firebase Realtime Database, by firebase-admin.

A commit is one update of many paths, whose revisions the database's rules check: see `commits` and `rules`. A read of
one document and a page are a request each; pages of large documents come in portions of about 4 MiB. Documents that
are read by their ids are read one by one, and their revisions once more, so that what comes out was there at one
moment. Counts are kept with each commit and cost one read; how many ids have a beginning is found by reading those
documents. A search reads the entries of its words: what a word costs is the number of documents of the owner that
have it. `listen()` is not used.

Processes that have the same database open at the same time declare the same indexes.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from libs.common.errors import Unavailable
from libs.common.store.port import CollectionSpec, M, Query, Search, Stored, UnindexedQuery, Write
from libs.common.store.rtdb.address import Address
from libs.common.store.rtdb.client import Client, Refused
from libs.common.store.rtdb.commits import Commits, Draft
from libs.common.store.rtdb.nodes import Collection
from libs.common.store.rtdb.opening import check_rules, fill_indexes
from libs.common.store.rtdb.reading import Reading
from libs.common.store.rtdb.rules import service_uid
from libs.common.store.rtdb.sweeping import Sweeping
from libs.common.store.rules import check_writes
from libs.common.under_way import UnderWay

T = TypeVar("T")


class RtdbStore:
    """A `Store` below one path of a Realtime Database. Open it with `RtdbStore.open`."""

    def __init__(self, place: str, client: Client, collections: dict[str, Collection[Any]]) -> None:
        self._place = place
        self._client = client
        self._collections = collections
        self._specs = {name: collection.spec for name, collection in collections.items()}
        self._commits = Commits(client)
        self._reading = Reading(client, self._commits)
        self._sweeping = Sweeping(client)
        self._under_way = UnderWay()

    @classmethod
    async def open(cls, url: str, service: str, specs: Sequence[CollectionSpec[Any]]) -> RtdbStore:
        """Opens what the database keeps for the service: `PATH/SERVICE` of `rtdb://HOST/PATH`.

        Documents that were stored without an index that is declared now get their place in it. The rules are checked,
        not deployed: that is `deploy_rules`.

        Raises:
            Invalid: the URL or the credentials are malformed.
            Unavailable: the database cannot be reached, or its rules are not those that are needed.
            ValueError: an index names a field that its message does not have.
        """
        address = Address.parse(url)
        collections = {spec.name: Collection(spec) for spec in specs}
        place = Address(address.host, (*address.path, service), address.namespace, address.timeout)
        client = Client.open(place, service_uid(service))
        store = cls(str(place), client, collections)
        try:
            await check_rules(client, str(place), collections.values())
            await fill_indexes(client, store._reading, store._commits, collections.values())
        except BaseException:
            await store.close()
            raise
        return store

    async def get(self, spec: CollectionSpec[M], id: str) -> Stored[M] | None:
        """The document, or None."""
        return await self._read(self._reading.get(self._collection(spec), id))

    async def get_many(self, spec: CollectionSpec[M], ids: Sequence[str]) -> list[Stored[M]]:
        """Those of the documents that exist, in the order of `ids`, each once, as they were at one moment."""
        return await self._read(self._reading.get_many(self._collection(spec), tuple(dict.fromkeys(ids))))

    async def query(self, query: Query[M]) -> list[Stored[M]]:
        """The documents after the query's cursor, in its order."""
        return await self._read(self._reading.query(self._collection(query.spec), query))

    async def count(self, query: Query[M]) -> int:
        """How many documents the query's equalities or prefix hold."""
        return await self._read(self._reading.count(self._collection(query.spec), query))

    async def search(self, search: Search[M]) -> list[Stored[M]]:
        """The documents that hold the words; each occurrence counts what its field weighs."""
        collection = self._collection(search.spec)
        if not collection.has_text:
            raise UnindexedQuery(f"{search.spec.name}: the store was opened without a text index")
        return await self._read(self._reading.search(collection, search))

    async def commit(self, writes: Sequence[Write]) -> None:
        """Encodes the writes at once; a cancelled caller's commit goes on."""
        self._check_open()
        check_writes(writes, self._specs)
        if writes:
            drafts = [Draft.of(write, self._collections[write.collection]) for write in writes]
            await self._under_way.run(self._commit(drafts))

    async def ping(self) -> None:
        """Returns when the database answers."""
        await self._read(self._client.get("indexed"))

    async def close(self) -> None:
        """Waits for the commits under way."""
        await self._under_way.close(self._let_go)

    async def _let_go(self) -> None:
        await self._commits.forget_settled()
        await self._client.close()

    async def _commit(self, drafts: Sequence[Draft]) -> None:
        await self._commits.commit(drafts)
        for collection in self._sweeping.due(drafts):
            self._under_way.begin(self._sweeping.sweep(collection))

    async def _read(self, reading: Coroutine[Any, Any, T]) -> T:
        try:
            self._check_open()
            return await reading
        except Refused:
            text = f"{self._place}: the database's rules refuse a read: deploy those that `llmchat rules` makes"
            raise Unavailable(text, retry_after=None) from None
        finally:
            reading.close()

    def _collection(self, spec: CollectionSpec[M]) -> Collection[M]:
        return self._collections[spec.name]

    def _check_open(self) -> None:
        if self._under_way.is_closed:
            raise Unavailable(f"{self._place}: the store is closed")
