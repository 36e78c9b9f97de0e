"""What the stores over PostgreSQL and MySQL promise of their server: its death, its absence, a network that loses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from asyncmy.connection import connect
from llmchat.store.v1.lease_pb2 import Lease
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.errors import Invalid, Unavailable
from libs.common.store.open import open_engine
from libs.common.store.port import CollectionSpec, Cursor, Index, Put, Query, Search, Store, TextIndex
from tests.conformance.cutting import cutting
from tests.conformance.places import Place
from tests.conformance.specimens import LEASES, SPECS, THREADS, put, thread
from tests.engines.mysql import MYSQL, MysqlServer
from tests.engines.postgres import POSTGRES, PostgresServer
from tests.engines.server import Server, serving

SERVICE = "own"
places = pytest.mark.parametrize("place", ["postgres", "mysql"], indirect=True)


@asynccontextmanager
async def locked_in_postgres(server: Server) -> AsyncIterator[None]:
    async with await psycopg.AsyncConnection.connect(server.url) as connection:
        await connection.execute(f'LOCK TABLE "{SERVICE}"."threads"')
        yield


@asynccontextmanager
async def locked_in_mysql(server: Server) -> AsyncIterator[None]:
    options = {"host": "127.0.0.1", "port": server.port, "user": "llmchat", "password": server.password}
    async with connect(**options) as connection, connection.cursor() as cursor:
        await cursor.execute(f"LOCK TABLES `llmchat_{SERVICE}`.threads WRITE")
        yield


@dataclass(frozen=True)
class Kind:
    """How a kind of server is started, and how another of its clients keeps everybody from the threads."""

    server: type[Server]
    locked: Callable[[Server], AbstractAsyncContextManager[None]]
    missing: Callable[[], str]


KINDS = {
    "postgres": Kind(PostgresServer, locked_in_postgres, POSTGRES.missing),
    "mysql": Kind(MysqlServer, locked_in_mysql, MYSQL.missing),
}


@pytest.fixture(scope="module", params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture(scope="module")
def server(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of this file's own, to be killed."""
    if missing := kind.missing():
        pytest.skip(missing)
    with serving(kind.server, tmp_path_factory.mktemp("server")) as running:
        yield running


async def opened(server: Server, parameters: str = "", port: int | None = None) -> Store:
    url = server.url.replace(f":{server.port}/", f":{port or server.port}/")
    return await open_engine(f"{url}?{parameters}", SERVICE, SPECS)


async def test_a_store_goes_on_when_its_killed_server_is_back(server: Server) -> None:
    store = await opened(server)
    acknowledged: list[str] = []

    async def commit_until_it_fails(name: int) -> None:
        while True:
            id = f"killed.{name}.{len(acknowledged)}"
            try:
                await store.commit([put(thread(id), 0), Put("leases", id, Lease(), 0)])
            except Unavailable:
                return
            acknowledged.append(id)

    committing = [asyncio.create_task(commit_until_it_fails(name)) for name in range(5)]
    while len(acknowledged) < 50:
        await asyncio.sleep(0.001)
    server.kill()
    await asyncio.gather(*committing)
    with pytest.raises(Unavailable):
        await store.get(THREADS, "killed")
    assert server.start()
    while True:
        try:
            await store.ping()
            break
        except Unavailable:
            continue
    assert [stored.id for stored in await store.get_many(THREADS, acknowledged)] == acknowledged
    threads = await store.query(Query.by_id(THREADS, "killed."))
    leases = await store.query(Query.by_id(LEASES, "killed."))
    assert [stored.id for stored in threads] == [stored.id for stored in leases]
    await store.commit([put(thread("after"))])
    await store.close()


@pytest.mark.parametrize("lost", ["answer", "request"])
async def test_a_connection_that_is_lost_in_a_commit_is_no_loss_with_a_stand_in_for_a_network(
    server: Server, lost: str
) -> None:
    async with cutting(server.port) as network:
        store = await opened(server, port=network.port)
        await store.commit([put(thread(f"before.{lost}"), 0)])
        network.lose = lost
        await store.commit([put(thread(f"lost.{lost}"), 0), put(thread(f"before.{lost}"), 1)])
        assert network.lose == ""
        found = await store.get_many(THREADS, [f"before.{lost}", f"lost.{lost}"])
        assert [stored.revision for stored in found] == [2, 1]
        await store.close()


async def test_who_finds_no_free_connection_waits_and_is_then_told(server: Server, kind: Kind) -> None:
    store = await opened(server, "pool_size=1&pool_wait=0.3")
    await store.commit([put(thread("t1"))])
    async with kind.locked(server):
        first = asyncio.create_task(store.get(THREADS, "t1"))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="connection"):
            await store.ping()
    assert await first is not None
    await asyncio.gather(*(store.ping() for _ in range(20)))
    await store.close()


async def test_a_lock_that_is_held_too_long_is_unavailable(server: Server, kind: Kind) -> None:
    store = await opened(server, "statement_timeout=1")
    await store.commit([put(thread("t1"))])
    async with kind.locked(server):
        with pytest.raises(Unavailable):
            await store.get(THREADS, "t1")
        with pytest.raises(Unavailable):
            await store.commit([put(thread("t1"))])
    await store.commit([put(thread("t1"))])
    await store.close()


async def test_where_no_server_is_a_store_does_not_open(server: Server) -> None:
    async with cutting(server.port) as network:
        pass  # nothing listens there any more
    began = time.monotonic()
    with pytest.raises(Unavailable) as refused:
        await opened(server, port=network.port)
    assert time.monotonic() - began < 10
    assert server.password not in refused.value.text


async def test_a_wrong_password_is_told_without_it(server: Server) -> None:
    scheme, _, rest = server.url.partition("://")
    place = rest.partition("@")[2]
    with pytest.raises(Unavailable) as refused:
        await open_engine(f"{scheme}://llmchat:wrong%25secret@{place}", SERVICE, SPECS)
    assert "wrong%secret" not in refused.value.text
    assert "wrong%25secret" not in refused.value.text


@pytest.mark.parametrize(
    "rest", ["", "h", "//h", "//u:secret@h:port/d", "//u:secret@h/d?pool_size=none", "//u:secret@h/d?pool_wait=-1"]
)
async def test_a_malformed_url_is_refused_without_its_password(server: Server, rest: str) -> None:
    scheme = server.url.partition(":")[0]
    with pytest.raises(Invalid) as refused:
        await open_engine(f"{scheme}://{rest.lstrip('/')}", SERVICE, SPECS)
    assert "secret" not in refused.value.text


def threads_with(*indexes: Index, text: TextIndex | None = None) -> CollectionSpec[Any]:
    return CollectionSpec("threads", Thread, indexes=indexes, text=text)


@places
async def test_what_is_declared_later_holds_what_was_there(place: Place) -> None:
    by_title, by_total = Index((), "title"), Index(("settings.is_archived", "user_id"), "total_messages")
    store = await place.open([threads_with()])
    await store.commit(
        [put(thread(f"t{n:04}", total=-n, archived=n % 2 == 1, title=f"w{n % 7}"), 0) for n in range(1200)]
    )
    await store.close()

    store = await place.open([threads_with(by_title)])
    await store.commit([put(thread("without_total", total=-9999), 0)])
    await store.close()

    spec = threads_with(by_total, text=TextIndex("user_id", {"title": 1}))
    store = await place.open([spec])
    query = Query.where(spec, order="total_messages", settings__is_archived=False, user_id="user_1", limit=3)
    assert [stored.id for stored in await store.query(query)] == ["without_total", "t1198", "t1196"]
    assert await store.count(query) == 601
    assert len(await store.search(Search.of(spec, "user_1", ["w3"], limit=1000))) == 171
    await store.commit([put(thread("t1198", total=5, title="w9"), 1)])
    await store.close()

    # What was given up and is declared again has not slept through the writes in between.
    spec = threads_with(by_title, by_total, text=TextIndex("user_id", {"title": 1, "settings.tags": 1}))
    store = await place.open([spec])
    found = await store.query(Query.where(spec, order="title", limit=3, descending=True))
    assert [stored.id for stored in found] == ["t1198", "t1196", "t1189"]
    assert [stored.id for stored in await store.search(Search.of(spec, "user_1", ["w9"], limit=9))] == ["t1198"]
    await store.close()


@places
async def test_texts_that_are_longer_than_an_index_takes_are_found_and_ordered_whole(
    place: Place, store: Store
) -> None:
    """In the reverse order of their ids, beside short ones; one is as long as what the index holds of it."""
    long = "é" * 5000
    titles = sorted(["", "a", "é", "é" * 128, "é" * 256, long, long + "\0", long + "\x01", long + "a", long + "b", "z"])
    await store.commit(
        [put(thread(f"t{99 - n}", title=title, user=title), 0) for n, title in enumerate(titles)],
    )
    for descending in (False, True):
        seen: list[str] = []
        after: Cursor | None = None
        while page := await store.query(
            Query.where(THREADS, order="title", after=after, limit=2, descending=descending)
        ):
            seen += [stored.message.title for stored in page]
            after = Cursor(page[-1].message.title, page[-1].id)
        assert seen == sorted(titles, reverse=descending)
    for title in titles:
        query = Query.where(THREADS, user_id=title, order="total_messages")
        assert [stored.message.title for stored in await store.query(query)] == [title]
        assert await store.count(query) == 1


@places
async def test_a_number_beyond_64_bits_is_found_nowhere(place: Place, store: Store) -> None:
    await store.commit([put(thread("t1"))])
    query = Query.where(THREADS, order="total_messages", user_id="user_1", after=Cursor(2**70, "t"))
    assert await store.query(query) == []
