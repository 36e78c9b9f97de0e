"""Documents of earlier versions as readers meet them: brought up to date, whether they were rewritten yet or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from libs.common.store.port import CollectionSpec, M, Query, Search, Store, Stored, Write

# The key of `schema_version`, which every document has as its field 100, in the wire format. Fields are written in the
# order of their numbers, so key and value end a document. Where they do not, the document is parsed.
_VERSION_KEY = b"\xa0\x06"


class UpgradesOf(Protocol):
    """What brings the documents of one collection up to date; `newest` is the version that it leads to."""

    @property
    def newest(self) -> int:
        """See above."""
        ...

    def upgrade(self, document: Any, to_version: int, /) -> bool:
        """Changes the document; False where it is of that version already."""
        ...


class UpgradedDocument(Stored[M]):
    """A document that is shown as its upgrade leaves it. `former` is how it is stored, which its indexes go by."""

    __slots__ = ("former",)

    def __init__(self, former: Stored[M], message: M) -> None:
        super().__init__(former.id, former.revision, message.SerializeToString(), type(message))
        self.former = former


class UpgradedStore:
    """A `Store` whose documents are read as of the newest version; what is written is stored as it is given.

    It is the one place that does so, below `Documents`, since lists go out in the bytes that the store gives. A
    document that is up to date costs it a look at its last three bytes.
    """

    def __init__(self, store: Store, upgrades: Mapping[str, UpgradesOf]) -> None:
        """`upgrades` by the names of their collections."""
        self._store = store
        self._upgrades = dict(upgrades)

    async def get(self, spec: CollectionSpec[M], id: str) -> Stored[M] | None:
        """The document, or None."""
        stored = await self._store.get(spec, id)
        upgrades = self._upgrades.get(spec.name)
        return stored if stored is None or upgrades is None else _as_of(stored, upgrades, upgrades.newest)

    async def get_many(self, spec: CollectionSpec[M], ids: Sequence[str]) -> list[Stored[M]]:
        """Those of the documents that exist, in the order of `ids`, each once."""
        return self._upgraded(spec, await self._store.get_many(spec, ids))

    async def query(self, query: Query[M]) -> list[Stored[M]]:
        """The documents after the query's cursor, in its order, which goes by what is stored."""
        return self._upgraded(query.spec, await self._store.query(query))

    async def count(self, query: Query[M]) -> int:
        """How many documents the query's equalities or prefix hold, by what is stored."""
        return await self._store.count(query)

    async def search(self, search: Search[M]) -> list[Stored[M]]:
        """The documents that hold the words as they are stored, the best matches first."""
        return self._upgraded(search.spec, await self._store.search(search))

    async def commit(self, writes: Sequence[Write]) -> None:
        """All of the writes or none."""
        await self._store.commit(writes)

    async def ping(self) -> None:
        """Returns when the engine answers."""
        await self._store.ping()

    async def close(self) -> None:
        """Closes the store below."""
        await self._store.close()

    def _upgraded(self, spec: CollectionSpec[M], found: list[Stored[M]]) -> list[Stored[M]]:
        upgrades = self._upgrades.get(spec.name)
        if upgrades is None:
            return found
        newest = upgrades.newest
        return [_as_of(stored, upgrades, newest) for stored in found]


def _as_of(stored: Stored[M], upgrades: UpgradesOf, newest: int) -> Stored[M]:
    body = stored.body
    if body[-3:-1] == _VERSION_KEY and body[-1] >= newest:
        return stored
    message = type(stored.message).FromString(body)
    return UpgradedDocument(stored, message) if upgrades.upgrade(message, newest) else stored
