"""psycopg, asynchronous, over one connection."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from benchmarks.bare.port import PAGE, Document


class BarePostgres:
    """A table in the database that the URL names."""

    async def open(self, url: str) -> None:
        self._connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
        await self._connection.execute(
            'CREATE TABLE bare (id text COLLATE "C" PRIMARY KEY, "user" text COLLATE "C", rank bigint, body bytea)'
        )
        await self._connection.execute('CREATE INDEX ON bare ("user", rank, id)')

    async def get(self, id: str) -> object:
        cursor = await self._connection.execute("SELECT body FROM bare WHERE id = %s", (id,), binary=True)
        return await cursor.fetchone()

    async def page(self, user: str) -> Sequence[object]:
        cursor = await self._connection.execute(
            'SELECT body FROM bare WHERE "user" = %s ORDER BY rank DESC LIMIT %s', (user, PAGE), binary=True
        )
        return await cursor.fetchall()

    async def commit(self, documents: Sequence[Document]) -> None:
        rows = [(one.id, one.user, one.rank, one.body) for one in documents]
        async with self._connection.transaction(), self._connection.cursor() as cursor:
            await cursor.executemany("INSERT INTO bare VALUES (%s, %s, %s, %s)", rows)

    async def close(self) -> None:
        await self._connection.execute("DROP TABLE bare")
        await self._connection.close()
