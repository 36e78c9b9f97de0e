"""PyMongo, asynchronous, with transactions that a majority has in its journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymongo import AsyncMongoClient, WriteConcern

from benchmarks.bare.port import PAGE, Document


class BareMongo:
    """A collection in the database that the URL names."""

    async def open(self, url: str) -> None:
        self._client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(url)
        database = self._client.get_default_database(write_concern=WriteConcern(w="majority", j=True))
        self._documents = await database.create_collection("bare")
        await self._documents.create_index([("user", 1), ("rank", -1), ("_id", 1)])

    async def get(self, id: str) -> object:
        return await self._documents.find_one({"_id": id})

    async def page(self, user: str) -> Sequence[object]:
        return await self._documents.find({"user": user}).sort("rank", -1).limit(PAGE).to_list()

    async def commit(self, documents: Sequence[Document]) -> None:
        rows = [{"_id": one.id, "user": one.user, "rank": one.rank, **one.json} for one in documents]
        if len(rows) == 1:
            await self._documents.insert_one(rows[0])
            return
        async with self._client.start_session() as session, await session.start_transaction():
            await self._documents.insert_many(rows, session=session)

    async def close(self) -> None:
        await self._documents.drop()
        await self._client.close()
