"""Stored documents are brought up to date page by page, while others change them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from llmchat.migrations.v1.migrations_service_pb2 import MigratePageRequest, MigratePageResponse, PlanMigrationRequest
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.clock import timestamp, wall_clock
from libs.common.context import Call
from libs.common.crypto.requests import RequestSeal
from libs.common.documents.documents import Documents
from libs.common.documents.pages import PageTokens
from libs.common.documents.system import SCHEMA_VERSION, SYSTEM_COLLECTIONS
from libs.common.documents.unit import Unit
from libs.common.errors import NotFound
from libs.common.migrations.declaration import Migration
from libs.common.migrations.service import MigrationsService
from libs.common.store.memory import MemoryStore
from libs.common.store.port import CollectionSpec, Put, Query, Write
from services.threads.migrations import MIGRATIONS
from services.threads.rank import rank_of

THINGS = CollectionSpec("things", Thread)
OTHERS = CollectionSpec("others", Thread)


class InterruptedStore(MemoryStore):
    """Before the next commit it does what a test says, as if another process had been quicker."""

    def __init__(self) -> None:
        super().__init__([THINGS, OTHERS, *SYSTEM_COLLECTIONS])
        self.before: Callable[[], Thread] | None = None

    async def commit(self, writes: Sequence[Write]) -> None:
        if self.before is not None:
            quicker, self.before = self.before(), None
            await super().commit([Put(THINGS.name, quicker.id, quicker)])
        await super().commit(writes)


class Served:
    """The migrations of one service, and its documents."""

    def __init__(self, *migrations: Migration[Thread]) -> None:
        self.store = InterruptedStore()
        self.documents = Documents(self.store, wall_clock, PageTokens([b"p" * 32]), RequestSeal([b"d" * 32]))
        self.service = MigrationsService()
        self.service.add("things", self.documents, migrations)

    async def store_one(self, id: str, version: int, spec: CollectionSpec[Thread] = THINGS) -> None:
        async def work(unit: Unit) -> None:
            unit.create(spec, Thread(id=id, title=id, schema_version=version))

        await self.documents.unit(work)

    async def page(self, after_id: str = "", collection: str = "things") -> MigratePageResponse:
        request = MigratePageRequest(service="things", collection=collection, after_id=after_id)
        return await self.service.MigratePage(request, Call())

    async def titles(self) -> dict[str, tuple[str, int]]:
        found = await self.documents.query(Query.by_id(THINGS))
        return {thread.id: (thread.title, thread.schema_version) for thread in found}


def mark(thread: Thread) -> None:
    thread.title += "!"


async def test_what_is_of_an_earlier_version_is_rewritten_once() -> None:
    served = Served(Migration(THINGS, 2, mark))
    await served.store_one("old", 1)
    await served.store_one("new", 2)
    first, again = await served.page(), await served.page()
    assert (first.read, first.rewritten, first.next_after_id) == (2, 1, "")
    assert (again.read, again.rewritten) == (2, 0)
    assert await served.titles() == {"old": ("old!", 2), "new": ("new", 2)}


async def test_what_is_made_now_is_of_the_newest_version_and_a_change_leaves_the_version_as_it_is() -> None:
    served = Served(Migration(THINGS, 2, mark))
    await served.store_one("made now", 0)
    await served.store_one("old", 1)

    async def change(unit: Unit) -> None:
        thread = await unit.get(THINGS, "old")
        thread.title = "changed"
        unit.put(THINGS, thread)

    await served.documents.unit(change)
    assert await served.titles() == {"made now": ("made now", SCHEMA_VERSION), "old": ("changed", 1)}
    await served.page()
    assert (await served.titles())["old"] == ("changed!", 2), "it is brought up to date none the less"


async def test_many_documents_go_page_by_page() -> None:
    served = Served(Migration(THINGS, 2, mark))
    for number in range(250):
        await served.store_one(f"old{number:03}", 1)
    plan = await served.service.PlanMigration(PlanMigrationRequest(service="things"), Call())
    assert [(one.collection, one.documents) for one in plan.collections] == [("things", 250)]
    sizes, after_id = [], ""
    while True:
        answer = await served.page(after_id)
        sizes.append(answer.rewritten)
        after_id = answer.next_after_id
        if not after_id:
            break
    assert sizes == [100, 100, 50]
    assert {version for _, version in (await served.titles()).values()} == {2}


async def test_a_document_that_is_changed_meanwhile_loses_nothing() -> None:
    served = Served(Migration(THINGS, 2, mark))
    await served.store_one("old", 1)
    served.store.before = lambda: Thread(id="old", title="changed meanwhile", schema_version=1)
    await served.page()
    assert await served.titles() == {"old": ("changed meanwhile!", 2)}


@pytest.mark.parametrize(
    "migrations",
    [
        (Migration(THINGS, 1, mark),),
        (Migration(THINGS, SCHEMA_VERSION + 1, mark),),
        (Migration(THINGS, 2, mark), Migration(THINGS, 2, mark)),
    ],
    ids=["to the first version", "beyond that of new documents", "two to one version"],
)
def test_versions_that_cannot_be_stop_the_start(migrations: tuple[Migration[Thread], ...]) -> None:
    with pytest.raises(ValueError, match="things"):
        Served(*migrations)


async def test_what_has_no_migrations_is_not_found() -> None:
    served = Served(Migration(THINGS, 2, mark))
    with pytest.raises(NotFound):
        await served.page(collection="others")
    with pytest.raises(NotFound):
        await served.service.PlanMigration(PlanMigrationRequest(service="threads"), Call())


def test_a_thread_of_before_gets_its_place_in_lists() -> None:
    (migration,) = MIGRATIONS
    plain, pinned = Thread(updated_at=timestamp(1000)), Thread(updated_at=timestamp(500))
    pinned.settings.is_pinned = True
    for thread in (plain, pinned):
        migration.upgrade(thread)
    assert (plain.rank, pinned.rank) == (1000, 2**52 + 500)
    assert (rank_of(plain), rank_of(pinned)) == (plain.rank, pinned.rank)
