"""LangChain's SQL history: `langchain_community.chat_message_histories.SQLChatMessageHistory`."""

from __future__ import annotations

from pathlib import Path

from langchain_community.chat_message_histories import SQLChatMessageHistory
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from sqlalchemy import create_engine

from benchmarks.peers.port import durable


class LangChain:
    """By its synchronous calls, which are quicker than its asynchronous ones. The last messages are cut from all."""

    async def open(self, folder: Path) -> None:
        self._engine = create_engine(f"sqlite:///{folder / 'langchain.db'}")
        durable(self._engine)
        self._histories: dict[str, SQLChatMessageHistory] = {}

    async def append_turn(self, session: str, question: str, answer: str) -> None:
        self._history(session).add_messages([HumanMessage(question), AIMessage(answer)])

    async def fill(self, session: str, question: str, answer: str, messages: int) -> None:
        said: list[BaseMessage] = [HumanMessage(question), AIMessage(answer)]
        self._history(session).add_messages(said * (messages // 2))

    async def last(self, session: str, count: int) -> int:
        return len(self._history(session).messages[-count:])

    async def close(self) -> None:
        self._engine.dispose()

    def _history(self, session: str) -> SQLChatMessageHistory:
        if session not in self._histories:
            self._histories[session] = SQLChatMessageHistory(session, connection=self._engine)
        return self._histories[session]
