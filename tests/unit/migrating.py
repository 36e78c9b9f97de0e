"""A service with migrations, in memory, and what it has stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.clock import wall_clock
from libs.common.crypto.requests import RequestSeal
from libs.common.documents.documents import Documents
from libs.common.documents.pages import PageTokens
from libs.common.documents.system import SCHEMA_VERSION, SYSTEM_COLLECTIONS
from libs.common.documents.unit import Unit
from libs.common.migrations.declaration import Backfill, Migration, Part, Upgrade
from libs.common.migrations.loading import Migrations, NumberedMigration
from libs.common.migrations.runner import Runner
from libs.common.store.memory import MemoryStore
from libs.common.store.port import CollectionSpec, Index, Put, Query, Write

THINGS = CollectionSpec("things", Thread, indexes=(Index((), "title"),))
OTHERS = CollectionSpec("others", Thread)
LATEST = SCHEMA_VERSION


def mark(thread: Thread) -> None:
    thread.title += "!"


def unmark(thread: Thread) -> None:
    thread.title = thread.title.removesuffix("!")


def refuse(thread: Thread) -> None:
    if thread.id == "thing_150":
        raise ZeroDivisionError("a title that nobody is to read")


def is_marked(thread: Thread) -> str:
    return "" if thread.title.endswith("!") else "it has no mark"


def nothing_wrong(thread: Thread) -> str:
    return ""


def marking(spec: CollectionSpec[Thread] = THINGS) -> Upgrade[Thread]:
    return Upgrade(spec, LATEST, mark, unmark, is_marked)


async def nothing(unit: Unit, threads: Sequence[Thread]) -> Sequence[Thread]:
    return ()


async def never_wrong(unit: Unit, thread: Thread) -> str:
    return ""


def filling(
    up: Callable[[Unit, Sequence[Thread]], Awaitable[Sequence[Thread]]], spec: CollectionSpec[Thread] = OTHERS
) -> Backfill[Thread]:
    return Backfill(spec, up, nothing, never_wrong)


def numbered(number: int, *parts: Part, checksum: str = "", depends_on: tuple[int, ...] = ()) -> NumberedMigration:
    return NumberedMigration(number, f"number_{number}", checksum, Migration("what it does", parts, depends_on))


class InterruptedStore(MemoryStore):
    """Before a commit it does what a test says, as if another process had been quicker."""

    def __init__(self) -> None:
        super().__init__([THINGS, OTHERS, *SYSTEM_COLLECTIONS])
        self.quicker: Callable[[], Awaitable[None]] | None = None

    async def commit(self, writes: Sequence[Write]) -> None:
        if self.quicker is not None and any(write.collection == THINGS.name for write in writes):
            await self.quicker()
        await super().commit(writes)

    async def put(self, thread: Thread) -> None:
        await super().commit([Put(THINGS.name, thread.id, thread)])


class Service:
    """One with migrations, and what it has stored."""

    def __init__(self, *migrations: NumberedMigration, store: InterruptedStore | None = None) -> None:
        self.store = store or InterruptedStore()
        tokens, seal = PageTokens([b"p" * 32]), RequestSeal([b"d" * 32])
        known = Migrations("things", migrations)
        raw = Documents(self.store, wall_clock, tokens, seal)
        self.documents = Documents(known.upgraded(self.store), wall_clock, tokens, seal)
        self.runner = Runner(raw, known, holder="one", exclusive=False, lease_seconds=15)

    async def plant(self, number: int, spec: CollectionSpec[Thread] = THINGS) -> None:
        planted = [Thread(id=f"thing_{n:03}", title=f"{n:03}", schema_version=1) for n in range(number)]
        await self.store.commit([Put(spec.name, thread.id, thread) for thread in planted])

    async def up(self) -> None:
        async for _ in self.runner.up("a test"):
            pass

    async def down(self, to: int = 0) -> None:
        async for _ in self.runner.down(to, "a test"):
            pass

    async def states(self) -> list[int]:
        return [known.record.state for known in await self.runner.known()]

    async def errors(self) -> list[str]:
        return [known.record.error for known in await self.runner.known()]

    async def marked(self, spec: CollectionSpec[Thread] = THINGS) -> int:
        stored = await self.store.query(Query.by_id(spec))
        return sum(one.message.title.endswith("!") and one.message.schema_version == LATEST for one in stored)
