"""What is asked of every peer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol


class Peer(Protocol):
    """A store of conversations. `session` names one."""

    async def open(self, folder: Path) -> None:
        """Makes its tables in `folder`."""
        ...

    async def append_turn(self, session: str, question: str, answer: str) -> None:
        """Stores two messages, by as few of its own calls as it has for that."""
        ...

    async def fill(self, session: str, question: str, answer: str, messages: int) -> None:
        """Stores many messages as quickly as may be; not measured."""
        ...

    async def last(self, session: str, count: int) -> int:
        """Reads the last `count` messages by its own calls; how many there were."""
        ...

    async def close(self) -> None:
        """Lets go of its files."""
        ...


def durable(engine: Any) -> None:
    """Makes every connection of an SQLAlchemy engine keep what it commits as our own store does."""
    from sqlalchemy import event

    def connected(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.close()

    event.listen(engine, "connect", connected)
