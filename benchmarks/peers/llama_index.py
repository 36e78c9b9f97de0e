"""LlamaIndex's SQL chat store: `llama_index.core.storage.chat_store.sql.SQLAlchemyChatStore`."""

from __future__ import annotations

from pathlib import Path

from llama_index.core.llms import ChatMessage
from llama_index.core.storage.chat_store.sql import SQLAlchemyChatStore
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.peers.port import durable


class LlamaIndex:
    """The last messages by its own count and offset, so that it reads no more than these."""

    async def open(self, folder: Path) -> None:
        self._engine = create_async_engine(f"sqlite+aiosqlite:///{folder / 'llama_index.db'}")
        durable(self._engine.sync_engine)
        self._store = SQLAlchemyChatStore(table_name="messages", async_engine=self._engine)

    async def append_turn(self, session: str, question: str, answer: str) -> None:
        said = [ChatMessage(question, role="user"), ChatMessage(answer, role="assistant")]
        await self._store.add_messages(session, said)

    async def fill(self, session: str, question: str, answer: str, messages: int) -> None:
        said = [ChatMessage(question, role="user"), ChatMessage(answer, role="assistant")] * min(messages // 2, 500)
        for _ in range(messages // len(said)):
            await self._store.add_messages(session, said)

    async def last(self, session: str, count: int) -> int:
        before = max(0, await self._store.count_messages(session) - count)
        return len(await self._store.get_messages(session, limit=count, offset=before))

    async def close(self) -> None:
        await self._engine.dispose()
