"""asyncmy over one connection."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

import asyncmy

from benchmarks.bare.port import PAGE, Document


class BareMysql:
    """A table in a database of its own, `bare`."""

    async def open(self, url: str) -> None:
        place = urlsplit(url)
        self._connection = await asyncmy.connect(
            host=place.hostname,
            port=place.port or 3306,
            user=unquote(place.username or ""),
            password=unquote(place.password or ""),
            autocommit=True,
        )
        async with self._connection.cursor() as cursor:
            await cursor.execute("CREATE DATABASE bare CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
            await cursor.execute("USE bare")
            await cursor.execute(
                "CREATE TABLE bare (id VARCHAR(256) PRIMARY KEY, user VARCHAR(256), place BIGINT, body LONGBLOB,"
                " KEY pages (user, place, id))"
            )

    async def get(self, id: str) -> object:
        async with self._connection.cursor() as cursor:
            await cursor.execute("SELECT body FROM bare WHERE id = %s", (id,))
            return await cursor.fetchone()

    async def page(self, user: str) -> Sequence[object]:
        async with self._connection.cursor() as cursor:
            await cursor.execute("SELECT body FROM bare WHERE user = %s ORDER BY place DESC LIMIT %s", (user, PAGE))
            rows: Sequence[object] = await cursor.fetchall()
            return rows

    async def commit(self, documents: Sequence[Document]) -> None:
        rows = [(one.id, one.user, one.rank, one.body) for one in documents]
        await self._connection.begin()
        async with self._connection.cursor() as cursor:
            await cursor.executemany("INSERT INTO bare VALUES (%s, %s, %s, %s)", rows)
        await self._connection.commit()

    async def close(self) -> None:
        async with self._connection.cursor() as cursor:
            await cursor.execute("DROP DATABASE bare")
        self._connection.close()
