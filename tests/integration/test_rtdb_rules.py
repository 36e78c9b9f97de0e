"""The generated rules of the Realtime Database, as its stand-in enforces them, or the emulator that
`FIREBASE_DATABASE_EMULATOR_HOST` names.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.errors import Unavailable
from libs.common.store.port import CollectionSpec, Delete, Index, Query
from libs.common.store.rtdb.address import Address
from libs.common.store.rtdb.client import Client, Refused
from libs.common.store.rtdb.deploying import deploy_rules
from libs.common.store.rtdb.nodes import NOW, Collection
from libs.common.store.rtdb.rules import database_rules, service_uid
from libs.common.store.rtdb.store import RtdbStore
from libs.common.store.rtdb.sweeping import Sweeping
from tests.conformance.specimens import LEASES, SPECS, THREADS, put, thread
from tests.engines.rtdb import EMULATOR, answering
from tests.standins.rtdb_server import RtdbServer

# As whom to ask: the id of a person, or "service:…".
As = Callable[[str], Client]
SERVICES = {"threads": SPECS, "messages": SPECS}
READABLE = {("threads", "threads"): "user_id", ("messages", "threads"): ""}


@pytest.fixture(scope="module", params=["rtdb" if os.environ.get(EMULATOR) else "rtdb stand-in"])
def server() -> Iterator[RtdbServer]:
    """The emulator that the environment names, or the stand-in."""
    with answering() as server:
        yield server


@pytest.fixture
def url(server: RtdbServer) -> str:
    """A database of the test's own."""
    return f"rtdb://{server.host}/house?ns=test-{uuid4().hex[:12]}"


@pytest.fixture
async def ask(url: str) -> AsyncIterator[As]:
    """Asks the database, whose rules are deployed, as somebody; paths begin at the services."""
    await deploy_rules(url, SERVICES, READABLE)
    clients: list[Client] = []

    def ask(uid: str) -> Client:
        clients.append(Client.open(Address.parse(url), uid))
        return clients[-1]

    yield ask
    for client in clients:
        await client.close()


@pytest.fixture
async def store(url: str, ask: As) -> AsyncIterator[RtdbStore]:
    """The threads service's store."""
    opened = await RtdbStore.open(url, "threads", SPECS)
    yield opened
    await opened.close()


def node(rev: int, revision: int = 1, user: str = "ada") -> dict[str, Any]:
    return {"id": "t", "rev": rev, "revision": revision, "k": {"id": "t "}, "doc": {"userId": user}}


A, B = "threads/documents/threads/~a", "threads/documents/threads/~b"
NAMED = service_uid("threads")


async def test_one_stale_revision_refuses_the_whole_update(ask: As) -> None:
    service = ask(NAMED)
    await service.update({A: node(1), B: node(1)})
    await service.update({A: node(2, 2)})
    for stale in (1, 2, 4):
        with pytest.raises(Refused):
            await service.update({A: node(stale, 3), B: node(2, 2)})
    assert (await service.get(f"{A}/rev"), await service.get(f"{B}/rev")) == (2, 1)
    await service.update({A: node(3, 3), B: node(2, 2)})


@pytest.mark.parametrize(
    "broken", [{"rev": 2}, {"revision": "1"}, {"revision": -1}, {"k": None}, {"revision": 0}], ids=str
)
async def test_a_document_without_its_guard_is_refused(broken: dict[str, Any], ask: As) -> None:
    with pytest.raises(Refused):
        await ask(NAMED).update({A: node(1) | broken})


async def test_a_service_reaches_its_own_path_alone(ask: As) -> None:
    service, other = ask(NAMED), ask(service_uid("messages"))
    await service.update({A: node(1)})
    for path in (A, "threads/commits/x", "threads/counts/threads/~id!20", "threads/words/threads/~u/~w/~t"):
        with pytest.raises(Refused):
            await other.update({path: node(2)})
        with pytest.raises(Refused):
            await other.get(path)
    for path in ("threads/documents", "threads/documents/undeclared/~a", "threads/else", "elsewhere", "threads"):
        with pytest.raises(Refused):
            await service.update({path: node(1)})
    assert await service.get(f"{A}/rev") == 1


async def test_persons_read_what_is_theirs_and_write_nothing(ask: As) -> None:
    await ask(NAMED).update({A: node(1, user="ada"), B: node(1, user="bob")})
    await ask(service_uid("messages")).update({"messages/documents/threads/~all": node(1, user="bob")})
    ada = ask("ada")
    assert (await ada.get(A))["doc"] == {"userId": "ada"}
    assert (await ada.get("messages/documents/threads/~all"))["doc"] == {"userId": "bob"}
    for path in (B, "threads", "threads/documents/threads", "threads/documents/leases/~a", "threads/commits"):
        with pytest.raises(Refused):
            await ada.get(path)
    for path in (A, B, "threads/documents/threads/~c"):
        with pytest.raises(Refused):
            await ada.update({path: node(2)})
    # Whoever chooses an id for a person cannot make a service of them.
    with pytest.raises(Refused):
        await ask("threads").get(B)


async def test_a_query_without_an_index_is_refused(ask: As) -> None:
    service = ask(NAMED)
    assert await service.children("threads/documents/threads", "k/id", limit_to_first=1) == {}
    with pytest.raises(Unavailable, match="lack an index"):
        await service.children("threads/documents/threads", "doc/title", limit_to_first=1)


async def test_a_documents_absence_is_asserted_by_many_without_a_trace(ask: As) -> None:
    service, absence = ask(NAMED), "threads/absent/threads/~a"
    await service.update({absence: None, B: node(1)})
    await service.update({absence: None})
    with pytest.raises(Refused):
        await service.update({absence: "something"})
    await service.update({A: node(1)})
    with pytest.raises(Refused):
        await service.update({absence: None, B: node(2)})
    await service.update({A: {"rev": 2, "revision": 0, "at": NOW}})
    await service.update({absence: None, B: node(2)})
    assert await service.get("threads/absent") is None


async def test_a_document_is_never_removed_and_its_tombstone_not_too_early(
    ask: As, server: RtdbServer, url: str
) -> None:
    service = ask(NAMED)
    await service.update({A: node(1)})
    with pytest.raises(Refused):
        await service.update({A: None})
    with pytest.raises(Refused):
        await service.update({A: {"rev": 2, "revision": 0, "at": 1}})
    await service.update({A: {"rev": 2, "revision": 0, "at": NOW}})
    with pytest.raises(Refused):
        await service.update({A: None})
    server.deploy(Address.parse(url).namespace, database_rules(("house",), SERVICES, kept_ms=-1))
    await service.update({A: None})
    assert await service.get(A) is None


async def test_a_mark_is_put_once_and_stays_where_a_commit_was_given_up(ask: As) -> None:
    service, mark = ask(NAMED), "threads/commits/x"
    await service.update({mark: {"at": NOW}})
    with pytest.raises(Refused):
        await service.update({mark: {"at": NOW, "void": True}})
    await service.update({mark: None})
    await service.update({mark: {"at": NOW, "void": True}})
    for value in ({"at": NOW}, None):
        with pytest.raises(Refused):
            await service.update({mark: value})


async def test_a_store_does_not_open_where_no_rules_guard_it(url: str) -> None:
    with pytest.raises(Unavailable, match="guard nothing"):
        await RtdbStore.open(url, "threads", SPECS)
    await deploy_rules(url, SERVICES)
    await (await RtdbStore.open(url, "threads", SPECS)).close()
    with pytest.raises(Unavailable, match="do not know all indexes"):
        await RtdbStore.open(url, "threads", [replace(LEASES, indexes=(Index((), "holder"),))])
    with pytest.raises(Unavailable, match="do not know"):
        await RtdbStore.open(url, "unknown", SPECS)


async def test_what_nobody_needs_is_swept_away(store: RtdbStore, ask: As, server: RtdbServer, url: str) -> None:
    await store.commit([put(thread(f"t{number}", user=f"u{number % 2}"), 0) for number in range(10)])
    await store.commit([Delete("threads", f"t{number}") for number in range(9)])
    tombstones = await ask(NAMED).children("threads/documents/threads", "at", start_at=1)
    assert len(tombstones) == 9
    server.deploy(Address.parse(url).namespace, database_rules(("house",), SERVICES, kept_ms=-60_000))
    place = Address.parse(url.replace("/house", "/house/threads"))
    client = Client.open(place, NAMED)
    await Sweeping(client, kept_ms=-60_000).sweep(Collection(THREADS))
    await client.close()
    assert list(await ask(NAMED).get("threads/documents/threads")) == ["~t9"]
    assert set((await ask(NAMED).get("threads/counts/threads")).values()) == {1}
    await store.commit([put(thread("t0", user="u0"), 0)])
    again = await store.get(THREADS, "t0")
    assert again is not None
    assert again.revision == 1
    assert await store.count(Query.by_id(THREADS)) == 2


async def test_words_follow_a_declaration_that_changes(url: str, ask: As) -> None:
    assert THREADS.text is not None
    text = replace(THREADS.text, fields={"title": 1.0})
    for spec in (CollectionSpec("threads", Thread), THREADS, replace(THREADS, text=text)):
        opened = await RtdbStore.open(url, "threads", [spec])
        await opened.commit([put(thread("t", title="Lisbon"))])
        words = await ask(NAMED).get("threads/words/threads/~user_1/~lisbon")
        weight = dict(spec.text.fields)["title"] if spec.text else None
        assert words == (None if weight is None else {"~t": f"{weight:g} t"})
        await opened.close()
