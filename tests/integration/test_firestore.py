"""What the engine `firestore://` does beyond the suite that all engines pass, against the stand-in for Firestore."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from google.cloud.firestore_v1 import AsyncClient
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from llmchat.store.v1.journal_pb2 import JournalEntry
from llmchat.store.v1.lease_pb2 import Lease

from libs.common.errors import Conflict, Invalid, Unavailable
from libs.common.store.firestore.deploying import deploy_indexes
from libs.common.store.firestore.indexes import firestore_indexes
from libs.common.store.firestore.store import FirestoreStore
from libs.common.store.port import CollectionSpec, Cursor, Delete, Index, Put, Query, Store, Write
from tests.conformance.specimens import LEASES, NOTES, SPECS, THREADS, put, thread
from tests.standins.firestore.faults import Fate
from tests.standins.firestore.server import StandInFirestore, serve_firestore

ANYTHING = CollectionSpec("anything", Struct)
MOMENTS = CollectionSpec("moments", Timestamp)
Open = Callable[..., Awaitable[Store]]


@pytest.fixture
async def stand_in() -> AsyncIterator[StandInFirestore]:
    async with serve_firestore() as serving:
        yield serving


@pytest.fixture
async def opening(stand_in: StandInFirestore) -> AsyncIterator[Open]:
    """Opens stores of one service."""
    opened: list[FirestoreStore] = []

    async def opening(*specs: CollectionSpec[Any]) -> Store:
        opened.append(await FirestoreStore.open(url_of(stand_in), "test", specs or [*SPECS, ANYTHING, MOMENTS]))
        return opened[-1]

    yield opening
    for store in opened:
        await store.close()


@pytest.fixture
async def store(opening: Open) -> Store:
    return await opening()


@pytest.fixture
async def console(stand_in: StandInFirestore, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AsyncClient]:
    """Looks at what is stored as Google's console does."""
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", stand_in.address)
    client = AsyncClient(project="test")
    yield client
    await client._firestore_api.transport.close()


def url_of(stand_in: StandInFirestore) -> str:
    return f"firestore://test/?emulator={stand_in.address}"


async def total(store: Store, id: str) -> tuple[int, int]:
    """A thread's total and revision."""
    stored = await store.get(THREADS, id)
    assert stored is not None
    return stored.message.total_messages, stored.revision


async def test_increments_sum_up_while_answers_are_dropped_and_commits_aborted(
    opening: Open, stand_in: StandInFirestore
) -> None:
    stores = [await opening() for _ in range(3)]
    await stores[0].commit([put(thread("t"), 0)])
    stand_in.faults.dropping, stand_in.faults.aborting = 0.3, 0.1

    async def add(store: Store) -> None:
        for _ in range(10):
            while True:
                stored = await store.get(THREADS, "t")
                assert stored is not None
                stored.message.total_messages += 1
                try:
                    await store.commit([put(stored.message, stored.revision)])
                    break
                except Conflict:
                    continue

    await asyncio.gather(*(add(store) for store in stores))
    assert await total(stores[0], "t") == (30, 31)


@pytest.mark.parametrize("fate", [Fate.DROPPED, Fate.LOST, Fate.ABORTED], ids=lambda fate: fate.name.lower())
@pytest.mark.parametrize("times", [1, 2, 3])
async def test_whatever_becomes_of_a_commit_it_is_stored_once(
    store: Store, stand_in: StandInFirestore, fate: Fate, times: int
) -> None:
    await store.commit([put(thread("old", total=1), 0), put(thread("doomed"), 0), put(thread("over"), 0)])

    commits: list[list[Write]] = [
        [put(thread("new", total=1), 0), put(thread("another"), 0)],
        [put(thread("old", total=2), 1), put(thread("beside"), 0)],
        [put(thread("over")), Delete("threads", "absent", 0)],
        [put(thread("last"), 0), Delete("threads", "doomed", 1)],
    ]
    for writes in commits:
        stand_in.faults.coming += [fate] * times
        await store.commit(writes)
        stand_in.faults.coming.clear()

    found = await store.query(Query.by_id(THREADS))
    assert {one.id: one.revision for one in found} == {
        "another": 1,
        "beside": 1,
        "last": 1,
        "new": 1,
        "old": 2,
        "over": 2,
    }


async def test_a_conflict_is_one_also_after_a_lost_request(opening: Open, stand_in: StandInFirestore) -> None:
    first, second = await opening(), await opening()
    await first.commit([put(thread("t"), 0)])
    stand_in.faults.coming += [Fate.LOST]
    stand_in.faults.meanwhile = lambda: second.commit([put(thread("t", title="first"), 1)])
    with pytest.raises(Conflict):
        await first.commit([put(thread("t", title="late"), 1)])


async def test_a_deletion_whose_answer_is_lost_says_that_nobody_knows(store: Store, stand_in: StandInFirestore) -> None:
    await store.commit([put(thread("t"), 0)])
    stand_in.faults.coming += [Fate.DROPPED]
    with pytest.raises(Unavailable, match="the answer to a commit was lost"):
        await store.commit([Delete("threads", "t", 1)])
    assert await store.get(THREADS, "t") is None


async def test_a_dropped_answer_is_known_from_a_document_that_others_have_written_since(
    opening: Open, stand_in: StandInFirestore
) -> None:
    first, second = await opening(), await opening()
    await first.commit([put(thread("t"), 0)])

    async def overwrite(times: int) -> None:
        for _ in range(times):
            await second.commit([put(thread("t"))])

    stand_in.faults.coming += [Fate.DROPPED]
    stand_in.faults.meanwhile = lambda: overwrite(15)
    await first.commit([put(thread("t"), 1)])

    stand_in.faults.coming += [Fate.DROPPED]
    stand_in.faults.meanwhile = lambda: overwrite(16)
    with pytest.raises(Unavailable, match="the answer to a commit was lost"):
        await first.commit([put(thread("t"), 17)])
    assert await total(second, "t") == (0, 34)


async def test_a_dropped_answer_is_not_known_from_a_document_that_is_gone(
    opening: Open, stand_in: StandInFirestore
) -> None:
    first, second = await opening(), await opening()
    await first.commit([put(thread("t"), 0)])
    stand_in.faults.coming += [Fate.DROPPED]
    stand_in.faults.meanwhile = lambda: second.commit([Delete("threads", "t")])
    with pytest.raises(Unavailable, match="the answer to a commit was lost"):
        await first.commit([put(thread("t"), 1)])


async def test_a_document_can_be_read_in_the_console(store: Store, console: AsyncClient) -> None:
    await store.commit([put(thread("thread_1", at=1_700_000_000_123, title="Lisbon"), 0)])
    found = (await console.document("test.threads/thread_1").get()).to_dict()
    assert found is not None
    assert (found["id"], found["stored"]["revision"]) == ("thread_1", 1)
    assert found["stored"]["doc"]["title"] == "Lisbon"
    assert found["stored"]["doc"]["updatedAt"] == found["index"]["updated_at"] == 1_700_000_000_123


@pytest.mark.parametrize(
    ("id", "name"),
    [
        ("thread_1", "thread_1"),
        (".", ".1"),
        ("..", ".1.1"),
        ("a/b", "a.2b"),
        ("__proto__", "_0_proto__"),
        ("_", "_0"),
        ("é b", "é b"),
    ],
)
async def test_ids_that_firestore_reserves_have_other_names(
    store: Store, console: AsyncClient, id: str, name: str
) -> None:
    await store.commit([put(thread(id), 0)])
    assert (await console.collection("test.threads").document(name).get()).exists


def nested(depth: int) -> dict[str, Any]:
    return {"deeper": nested(depth - 1)} if depth else {}


@pytest.mark.parametrize(
    "body",
    [
        {"plain": [1, "two", None, {"three": 3.5}]},
        {"arrays": [[1], [[2]]]},
        {"": "no name", "__x__": "reserved", "x" * 2000: "long", "a.b/c`d": "odd"},
        nested(30),
        {"minus": -0.0, "large": 2.0**70},
    ],
    ids=["plain", "arrays in arrays", "odd names", "deep", "odd numbers"],
)
async def test_a_body_comes_back_whatever_firestore_takes(store: Store, body: dict[str, Any]) -> None:
    message = Struct()
    message.update(body)
    await store.commit([Put("anything", "x", message, 0)])
    stored = await store.get(ANYTHING, "x")
    assert stored is not None
    assert stored.message == message


async def test_what_json_cannot_say_comes_back_too(store: Store) -> None:
    infinite = Struct()
    infinite["x"] = float("inf")
    moment = Timestamp(seconds=1, nanos=123_456_789)
    await store.commit([Put("anything", "x", infinite, 0), Put("moments", "x", moment, 0)])
    assert [one.message for one in await store.get_many(ANYTHING, ["x"])] == [infinite]
    assert [one.message for one in await store.get_many(MOMENTS, ["x"])] == [moment]


async def test_a_large_document_is_in_parts_that_go_with_it(store: Store, console: AsyncClient) -> None:
    async def parts() -> int:
        return len([one async for one in console.collection("test.notes/n/llmchat.parts").list_documents()])

    def note(size: int) -> JournalEntry:
        return JournalEntry(after=bytes(range(256)) * (size // 256))

    for revision, (size, expected) in enumerate([(2_000_000, 3), (1_000_000, 2), (200_000, 0), (400_000, 1)]):
        await store.commit([Put("notes", "n", note(size), revision)])
        stored = await store.get(NOTES, "n")
        assert stored is not None
        assert (stored.message, await parts()) == (note(size), expected)
    assert [one.message for one in await store.query(Query.by_id(NOTES))] == [note(400_000)]
    await store.commit([Delete("notes", "n")])
    assert await parts() == 0


async def test_large_documents_are_read_whole_while_they_are_written(opening: Open) -> None:
    reader, writer = await opening(), await opening()
    await writer.commit([Put("notes", "n", JournalEntry(after=b"0" * 1_000_000))])

    async def write() -> None:
        for number in range(20):
            await writer.commit([Put("notes", "n", JournalEntry(after=b"%d" % (number % 10) * 1_000_000))])

    writing = asyncio.create_task(write())
    while not writing.done():
        for stored in (*await reader.get_many(NOTES, ["n"]), *await reader.query(Query.by_id(NOTES))):
            assert len(stored.message.after) == 1_000_000
            assert len(set(stored.message.after)) == 1
    await writing


async def test_a_commit_larger_than_firestore_takes_is_invalid(store: Store) -> None:
    large = JournalEntry(after=bytes(3_000_000))
    with pytest.raises(Invalid):
        await store.commit([Put("notes", f"n{number}", large, 0) for number in range(4)])
    assert await store.count(Query.by_id(NOTES)) == 0


async def test_long_texts_are_told_apart_and_ordered_by_their_beginning(store: Store) -> None:
    titles = ["é" * 699, "é" * 3000 + "a", "é" * 3000 + "b", "é" * 699 + "z", "f" * 3000, "x" * 1400]
    await store.commit([put(thread(f"t{number}", title=title), 0) for number, title in enumerate(titles)])
    found = await store.query(Query.where(THREADS, order="title"))
    assert [stored.message.title[:1400] for stored in found] == sorted(title[:1400] for title in titles)
    paged: list[str] = []
    after = None
    while page := await store.query(Query.where(THREADS, order="title", after=after, limit=1)):
        paged.append(page[0].id)
        after = Cursor(page[0].message.title, page[0].id)
    assert paged == [stored.id for stored in found]
    leases = [Put("leases", ending, Lease(holder="h" * 3000 + ending), 0) for ending in "ab"]
    await store.commit(leases)
    query = Query.where(LEASES, order="expires_at", holder="h" * 3000 + "b")
    assert [stored.id for stored in await store.query(query)] == ["b"]


async def test_an_index_that_is_declared_later_holds_what_was_there(opening: Open) -> None:
    by_title, by_total = Index((), "title"), Index(("settings.is_archived",), "total_messages")

    async def opened(*indexes: Index) -> tuple[Store, CollectionSpec[Any]]:
        spec = CollectionSpec("threads", THREADS.message, indexes=indexes)
        return await opening(spec), spec

    store, _ = await opened(by_title)
    await store.commit(
        [put(thread(f"t{n:03}", total=-n, archived=n % 2 == 1, title=str(n % 7)), 0) for n in range(250)]
    )
    store, spec = await opened(by_total)
    query = Query.where(spec, order="total_messages", settings__is_archived=False, limit=3)
    assert [stored.id for stored in await store.query(query)] == ["t248", "t246", "t244"]
    await store.commit([put(thread("without_title", title="0"), 0)])
    # What was given up and is declared again has not slept through the writes in between.
    store, spec = await opened(by_title, by_total)
    found = await store.query(Query.where(spec, order="title", limit=1000))
    assert len(found) == 251
    assert {stored.revision for stored in found} == {1}


async def test_indexes_are_deployed_once(stand_in: StandInFirestore) -> None:
    for _ in range(2):
        await deploy_indexes(url_of(stand_in), {"test": SPECS})
        declared = stand_in.database("projects/test/databases/(default)").declared
        made = sum(len(indexes) for indexes in declared.composites.values())
        exempt = {collection: set(fields) for collection, fields in declared.exceptions.items()}
        assert made == len(firestore_indexes({"test": SPECS})["indexes"])
        assert exempt["test.threads"] == {("stored",), ("index",), ("index", "title")}
        assert exempt["test.journal"] == {("stored",)}


async def test_a_store_opens_on_what_the_generated_file_declares_and_adds_nothing() -> None:
    async with serve_firestore(indexes=firestore_indexes({"test": SPECS})) as stand_in:
        declared = stand_in.database("projects/test/databases/(default)").declared
        before = {name: list(indexes) for name, indexes in declared.composites.items()}
        store = await FirestoreStore.open(url_of(stand_in), "test", SPECS)
        assert {name: indexes for name, indexes in declared.composites.items() if indexes} == before
        await store.close()


async def test_without_its_index_a_query_says_what_is_missing(stand_in: StandInFirestore, opening: Open) -> None:
    store = await opening()
    stand_in.database("projects/test/databases/(default)").declared.composites.clear()
    with pytest.raises(Unavailable, match="llmchat rules"):
        await store.query(Query.where(THREADS, order="total_messages", user_id="u"))


async def test_a_database_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="firestore://test"):
        await FirestoreStore.open("firestore://test/?emulator=127.0.0.1:1", "test", SPECS)


@pytest.mark.parametrize("url", ["firestore://", "firestore:///database", "firestore://a/b/c", "firestore://a/?x=1"])
async def test_a_malformed_url_is_invalid(url: str) -> None:
    with pytest.raises(Invalid, match="firestore://PROJECT/DATABASE"):
        await FirestoreStore.open(url, "test", SPECS)


async def test_malformed_credentials_are_told_without_repeating_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)
    for given in ("s3cret", '{"private_key": "s3cret"}'):
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS_JSON", given)
        with pytest.raises(Invalid, match="GOOGLE_APPLICATION_CREDENTIALS_JSON") as invalid:
            await FirestoreStore.open("firestore://test", "test", SPECS)
        assert "s3cret" not in str(invalid.value)
