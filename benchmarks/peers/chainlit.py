"""Chainlit's data layer: `chainlit.data.sql_alchemy.SQLAlchemyDataLayer`, with the schema of its documentation."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from chainlit.context import init_http_context
from chainlit.data.sql_alchemy import SQLAlchemyDataLayer
from chainlit.types import Pagination, ThreadFilter
from chainlit.user import User
from sqlalchemy import text

from benchmarks.peers.port import durable

# https://docs.chainlit.io/data-layers/sqlalchemy, with SQLite's types; it declares no index beside the primary keys.
_SCHEMA = (
    "CREATE TABLE users (id TEXT PRIMARY KEY, identifier TEXT NOT NULL UNIQUE, metadata TEXT NOT NULL, "
    '"createdAt" TEXT)',
    'CREATE TABLE threads (id TEXT PRIMARY KEY, "createdAt" TEXT, name TEXT, "userId" TEXT REFERENCES users(id), '
    '"userIdentifier" TEXT, tags TEXT, metadata TEXT)',
    'CREATE TABLE steps (id TEXT PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL, "threadId" TEXT NOT NULL '
    'REFERENCES threads(id), "parentId" TEXT, streaming BOOLEAN NOT NULL, "waitForAnswer" BOOLEAN, "isError" BOOLEAN, '
    'metadata TEXT, tags TEXT, input TEXT, output TEXT, "createdAt" TEXT, command TEXT, start TEXT, "end" TEXT, '
    'generation TEXT, "showInput" TEXT, language TEXT, indent INT, "defaultOpen" BOOLEAN, "autoCollapse" BOOLEAN, '
    "modes TEXT)",
    'CREATE TABLE elements (id TEXT PRIMARY KEY, "threadId" TEXT, type TEXT, url TEXT, "chainlitKey" TEXT, '
    'name TEXT NOT NULL, display TEXT, "objectKey" TEXT, size TEXT, page INT, language TEXT, "forId" TEXT, mime TEXT, '
    "props TEXT)",
    'CREATE TABLE feedbacks (id TEXT PRIMARY KEY, "forId" TEXT NOT NULL, "threadId" TEXT NOT NULL, value INT NOT NULL, '
    "comment TEXT)",
)
_STEP = (
    'INSERT INTO steps (id, name, type, "threadId", streaming, output, "createdAt", metadata, generation) '
    "VALUES (:id, :name, :type, :threadId, :streaming, :output, :createdAt, '{}', '{}')"
)
_THREAD = (
    'INSERT INTO threads (id, "createdAt", name, "userId", "userIdentifier", metadata) '
    "VALUES (:id, :createdAt, :name, :userId, :userIdentifier, '{}')"
)
_PERSON = "someone"


class Chainlit:
    """A step for each message. The last messages are cut from the whole thread, which is how it reads one."""

    async def open(self, folder: Path) -> None:
        init_http_context()
        self._layer = SQLAlchemyDataLayer(f"sqlite+aiosqlite:///{folder / 'chainlit.db'}")
        durable(self._layer.engine.sync_engine)
        for statement in _SCHEMA:
            await self._layer.execute_sql(statement, {})
        user = await self._layer.create_user(User(identifier=_PERSON))
        self._user_id = user.id
        self._threads: set[str] = set()

    async def append_turn(self, session: str, question: str, answer: str) -> None:
        if session not in self._threads:
            await self._create_thread(session)
        await self._layer.create_step(_step(session, "user_message", question))
        await self._layer.create_step(_step(session, "assistant_message", answer))

    async def fill(self, session: str, question: str, answer: str, messages: int) -> None:
        await self._create_thread(session)
        await self._insert(_STEP, _steps(session, question, answer, messages))

    async def last(self, session: str, count: int) -> int:
        thread = await self._layer.get_thread(session)
        return len(thread["steps"][-count:])

    async def fill_threads(self, count: int) -> None:
        """Threads of one user, with a message each."""
        begun = datetime.now(UTC)
        threads: list[dict[str, Any]] = [
            {
                "id": str(uuid.uuid4()),
                "createdAt": (begun - timedelta(seconds=number)).isoformat(),
                "name": f"Conversation number {number}",
                "userId": self._user_id,
                "userIdentifier": _PERSON,
            }
            for number in range(count)
        ]
        await self._insert(_THREAD, threads)
        await self._insert(_STEP, [_step(thread["id"], "user_message", "Hello") for thread in threads])

    async def list_threads(self, count: int) -> int:
        """The user's newest threads; how many there were."""
        page = await self._layer.list_threads(Pagination(first=count), ThreadFilter(userId=self._user_id))
        return len(page.data)

    async def close(self) -> None:
        await self._layer.engine.dispose()

    async def _create_thread(self, session: str) -> None:
        await self._layer.update_thread(session, name="A conversation", user_id=self._user_id)
        self._threads.add(session)

    async def _insert(self, statement: str, rows: list[dict[str, Any]]) -> None:
        async with self._layer.engine.begin() as connection:
            await connection.execute(text(statement), rows)


def _steps(session: str, question: str, answer: str, messages: int) -> list[dict[str, Any]]:
    def turns() -> Iterator[dict[str, Any]]:
        for _ in range(messages // 2):
            yield _step(session, "user_message", question)
            yield _step(session, "assistant_message", answer)

    return list(turns())


def _step(session: str, type: str, output: str) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "name": _PERSON,
        "type": type,
        "threadId": session,
        "streaming": False,
        "output": output,
        "createdAt": datetime.now(UTC).isoformat(),
    }
