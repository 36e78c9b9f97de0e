"""The provider over Cloud Firestore: one document per document, whose indexes hold what is declared and nothing else.

A read sees one moment; a document's parts are read as of the same. Indexes that are missing are made when the store is
opened, as far as the credentials allow. A store belongs to one event loop.

Firestore's own limits hold: 10 MiB in one commit, about one write a second to one document for long, and 500 writes a
second to a collection whose indexed values, or ids, only grow. A text is ordered by its first 1,400 bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from libs.common.errors import Unavailable
from libs.common.store.firestore.address import Address
from libs.common.store.firestore.client import Client
from libs.common.store.firestore.commits import Committing, Prepared
from libs.common.store.firestore.layout import READ, Layout
from libs.common.store.firestore.names import is_id
from libs.common.store.firestore.opening import prepare
from libs.common.store.firestore.queries import candidates, counted, selected
from libs.common.store.firestore.reading import whole
from libs.common.store.firestore.values import Unfit
from libs.common.store.port import CollectionSpec, M, Put, Query, Search, Stored, Write
from libs.common.store.rules import check_writes
from libs.common.under_way import UnderWay


class FirestoreStore:
    """A `Store` in a Firestore database. Open it with `FirestoreStore.open`."""

    def __init__(self, address: Address, client: Client, layouts: dict[str, Layout[Any]]) -> None:
        self._address = address
        self._client = client
        self._layouts = layouts
        self._specs = {name: layout.spec for name, layout in layouts.items()}
        self._under_way = UnderWay()

    @classmethod
    async def open(cls, url: str, service: str, specs: Sequence[CollectionSpec[Any]]) -> FirestoreStore:
        """Opens the collections `{service}.{collection}` of the database at `firestore://PROJECT/DATABASE`.

        Documents that lack what an index is declared on are written anew; indexes that are missing are made, which
        takes Firestore minutes. Those that no declaration asks for any more stay, for others to remove.

        Raises:
            Invalid: the URL or the credentials are malformed.
            ValueError: an index names a field that its message does not have.
            Unavailable: Firestore does not answer, or the credentials do not suffice.
        """
        address = Address.of(url)
        layouts = {spec.name: Layout(address.documents, service, spec) for spec in specs}
        client = Client(address)
        try:
            await prepare(address, client, service, layouts.values())
        except BaseException:
            await client.close()
            raise
        return cls(address, client, layouts)

    async def get(self, spec: CollectionSpec[M], id: str) -> Stored[M] | None:
        """The document, or None."""
        found = await self.get_many(spec, [id])
        return found[0] if found else None

    async def get_many(self, spec: CollectionSpec[M], ids: Sequence[str]) -> list[Stored[M]]:
        """Those of the documents that exist, in the order of `ids`, each once."""
        layout = self._layout(spec)
        names = [layout.name(id) for id in dict.fromkeys(ids) if is_id(id)]
        if not names:
            return []
        seen = await self._client.get(names, READ)
        return await whole(
            self._client, layout, [seen.documents[name] for name in names if name in seen.documents], seen.at
        )

    async def query(self, query: Query[M]) -> list[Stored[M]]:
        """The documents after the query's cursor, in its order."""
        layout = self._layout(query.spec)
        try:
            asked = selected(layout, query)
        except (Unfit, UnicodeEncodeError):
            # Half of a surrogate pair, or a number beyond 64 bits: nothing stored is equal to it.
            return []
        found = await self._client.query(self._address.documents, asked)
        return await whole(self._client, layout, found.documents, found.at)

    async def count(self, query: Query[M]) -> int:
        """How many documents the query's equalities or prefix hold."""
        try:
            asked = counted(self._layout(query.spec), query)
        except (Unfit, UnicodeEncodeError):
            return 0
        return await self._client.count(self._address.documents, asked)

    async def search(self, search: Search[M]) -> list[Stored[M]]:
        """The documents that hold the words; each occurrence counts what its field weighs.

        The index finds those with one of the words; they are all read, and the rest is seen here. Of a text of more
        than 5,000 words and beginnings of words, or of more than 250,000 bytes of them, the first ones are found.
        """
        layout = self._layout(search.spec)
        try:
            asked = candidates(layout, search)
        except (Unfit, UnicodeEncodeError):
            return []
        found = await self._client.query(self._address.documents, asked)
        matches = [
            (-weight, stored.id, stored)
            for stored in await whole(self._client, layout, found.documents, found.at)
            if (weight := layout.weight(stored.message, search.words))
        ]
        matches.sort(key=lambda match: match[:2])
        return [stored for *_, stored in matches[search.offset : search.offset + search.limit]]

    async def commit(self, writes: Sequence[Write]) -> None:
        """Encodes the writes at once and commits them; a cancelled caller's commit goes on."""
        self._check_open()
        check_writes(writes, self._specs)
        if not writes:
            return
        await self._under_way.run(Committing(self._client, [self._prepared(write) for write in writes]).run())

    async def ping(self) -> None:
        """Returns when Firestore answers."""
        self._check_open()
        name = f"{self._address.documents}/llmchat.ping/ping"
        await self._client.get([name], READ)

    async def close(self) -> None:
        """Waits for the commits that were handed in, then lets go of the connections."""
        await self._under_way.close(self._client.close)

    def _prepared(self, write: Write) -> Prepared:
        layout = self._layouts[write.collection]
        content = layout.content(write.message) if isinstance(write, Put) else None
        return Prepared(write, layout.name(write.id), content)

    def _layout(self, spec: CollectionSpec[M]) -> Layout[M]:
        self._check_open()
        return self._layouts[spec.name]

    def _check_open(self) -> None:
        if self._under_way.is_closed:
            raise Unavailable(f"{self._address}: the store is closed")
