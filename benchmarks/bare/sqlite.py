"""sqlite3 of the standard library: WAL, `synchronous=FULL`."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from benchmarks.bare.port import PAGE, Document


class BareSqlite:
    """A table in a file of its own, beside our store's."""

    async def open(self, url: str) -> None:
        # Our store has made the folder.
        self._connection = sqlite3.connect(f"{url.removeprefix('sqlite:///')}/bare.db", isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute('CREATE TABLE bare (id TEXT PRIMARY KEY, "user" TEXT, rank INTEGER, body BLOB)')
        self._connection.execute('CREATE INDEX bare_pages ON bare ("user", rank, id)')

    async def get(self, id: str) -> object:
        return self._connection.execute("SELECT body FROM bare WHERE id = ?", (id,)).fetchone()

    async def page(self, user: str) -> Sequence[object]:
        text = f'SELECT body FROM bare WHERE "user" = ? ORDER BY rank DESC LIMIT {PAGE}'  # noqa: S608 - a number
        return self._connection.execute(text, (user,)).fetchall()

    async def commit(self, documents: Sequence[Document]) -> None:
        rows = [(one.id, one.user, one.rank, one.body) for one in documents]
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT INTO bare VALUES (?, ?, ?, ?)", rows)
        self._connection.execute("COMMIT")

    async def close(self) -> None:
        self._connection.close()
