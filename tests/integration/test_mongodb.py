"""How documents lie in MongoDB, and what it does not take."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct
from llmchat.store.v1.journal_pb2 import JournalEntry
from llmchat.threads.v1.thread_pb2 import ModelUsage, Thread, ThreadSettings
from pymongo import AsyncMongoClient

from libs.common.clock import timestamp
from libs.common.errors import Invalid
from libs.common.store.mongodb.names import escaped, unescaped
from libs.common.store.open import open_engine
from libs.common.store.port import CollectionSpec, Index, Put, Query, Search, Store, TextIndex
from tests.conformance.specimens import NOTES, SPECS, THREADS, put, thread
from tests.engines.mongodb import MONGODB
from tests.engines.running import Engines


@pytest.fixture(params=[MONGODB.name])
def url(request: pytest.FixtureRequest, engines: Engines) -> str:
    """The running engine."""
    return engines(request.param).url


@pytest.fixture
def service() -> str:
    """A service of the test's own."""
    return f"s{uuid4().hex[:12]}"


@pytest.fixture
async def store(url: str, service: str) -> AsyncIterator[Store]:
    """Its store."""
    opened = await open_engine(url, service, SPECS)
    yield opened
    await opened.close()


@pytest.fixture
async def kept(url: str, service: str) -> AsyncIterator[Any]:
    """What lies in its database."""
    client: AsyncMongoClient[Any] = AsyncMongoClient(url)
    yield client[f"{client.get_default_database().name}_{service}"]
    await client.close()


async def test_a_document_is_read_by_people_as_it_is_shown(store: Store, kept: Any) -> None:
    message = thread("t1", title="Lisbon", at=1_700_000_000_123)
    message.models["gpt-4.1"].summary = "trams"
    await store.commit([put(message, 0)])
    document = await kept.threads.find_one({"_id": "t1"})
    assert (document["revision"], document["document"]["title"]) == (1, "Lisbon")
    assert document["document"]["updatedAt"] == 1_700_000_000_123
    assert document["document"]["models"]["gpt-4.1"]["summary"] == "trams"
    assert document["index"] == {
        "user_id": "user_1",
        "settings/is_archived": False,
        "updated_at": 1_700_000_000_123,
        "total_messages": 0,
        "title": "Lisbon",
    }
    assert document["search"] == {
        "within": "user_1",
        "words": [{"word": "lisbon", "weight": 2.0}, {"word": "trams", "weight": 1.0}],
    }


NAMES = ["a.b", "$set", "$ref", "$id", "$", "a$", "", ".", "%", "%24", "%2", "nul\0", "_id", "ключ", "__proto__"]


async def test_any_key_of_a_map_is_kept_as_it_is(store: Store) -> None:
    models = {name: ModelUsage(summary=name) for name in NAMES}
    for revision, message in enumerate([Thread(id="t", models=models), Thread(id="t", title="new", models=models)]):
        await store.commit([put(message, revision)])
        stored = await store.get(THREADS, "t")
        assert stored is not None
        assert stored.message == message


def test_any_key_of_plain_json_is_kept_as_it_is() -> None:
    plain = {"properties": [{"$ref": "#/$defs/x", "$id": name, name: {name: [None, {name: 1}]}} for name in NAMES]}
    kept = escaped(plain)
    assert not any(name.startswith("$") for name in kept["properties"][0])
    assert unescaped(kept) == plain
    assert ParseDict(unescaped(kept), Struct()) == ParseDict(plain, Struct())


async def test_numbers_of_64_bits_are_exact(store: Store) -> None:
    numbers = [2**63 - 1, -(2**63), 2**53 + 1, 2**31, -1]
    await store.commit([put(thread(f"t{place}", total=number), 0) for place, number in enumerate(numbers)])
    found = await store.get_many(THREADS, [f"t{place}" for place in range(len(numbers))])
    assert [stored.message.total_messages for stored in found] == numbers
    with pytest.raises(Invalid):
        await store.commit([Put("notes", "n", JournalEntry(clock=2**64 - 1))])


@pytest.mark.parametrize("revision", [None, 0, 1])
@pytest.mark.parametrize("beside", [[], [put(thread("beside"))]], ids=["alone", "beside another"])
async def test_more_than_16_megabytes_are_refused(store: Store, revision: int | None, beside: list[Put]) -> None:
    if revision:
        await store.commit([Put("notes", "n", JournalEntry(actor="small"), 0)])
    with pytest.raises(Invalid, match="16 MB"):
        await store.commit([*beside, Put("notes", "n", JournalEntry(actor="x" * 16 * 2**20), revision)])
    assert await store.get(THREADS, "beside") is None
    stored = await store.get(NOTES, "n")
    assert (stored.message.actor if stored else "") == ("small" if revision else "")


async def test_indexes_are_what_is_declared_and_hold_what_was_there(url: str, service: str, kept: Any) -> None:
    by_title, by_total = Index((), "title"), Index(("settings.is_archived",), "total_messages")

    async def declared(*indexes: Index, text: TextIndex | None = None) -> tuple[Store, CollectionSpec[Thread]]:
        spec = CollectionSpec("threads", Thread, indexes=indexes, text=text)
        return await open_engine(url, service, [spec]), spec

    store, _ = await declared()
    documents = [put(thread(f"t{n:04}", total=-n, archived=n % 2 == 1, title=f"word{n % 7}"), 0) for n in range(1200)]
    await store.commit(documents[:600])
    await store.commit(documents[600:])
    await store.close()

    store, _ = await declared(by_title)
    await store.commit([put(thread("without_total", total=-9999), 0)])
    await store.close()
    assert set(await kept.threads.index_information()) == {"_id_", "title"}

    store, spec = await declared(by_total)
    query = Query.where(spec, order="total_messages", settings__is_archived=False, limit=3)
    assert [stored.id for stored in await store.query(query)] == ["without_total", "t1198", "t1196"]
    assert await store.count(query) == 601
    await store.commit([put(thread("t1198", total=5), 1)])
    await store.close()
    assert set(await kept.threads.index_information()) == {"_id_", "settings/is_archived,total_messages"}

    store, spec = await declared(by_title, text=TextIndex("user_id", {"title": 1, "settings.tags": 1}))
    found = await store.query(Query.where(spec, order="title", limit=3))
    assert [stored.id for stored in found] == ["t1198", "without_total", "t0000"]
    assert len(await store.search(Search.of(spec, "user_1", ["word3"], limit=1000))) == 171
    await store.commit([put(Thread(id="t", user_id="u", settings=ThreadSettings(tags=["travel"])), 0)])
    await store.close()

    # Words that are declared otherwise are found, and those of no declaration are gone.
    store, spec = await declared(text=TextIndex("user_id", {"settings.tags": 1}))
    assert await store.search(Search.of(spec, "user_1", ["word3"], limit=1)) == []
    assert [stored.id for stored in await store.search(Search.of(spec, "u", ["travel"], limit=1))] == ["t"]
    await store.close()
    store, _ = await declared()
    assert await kept.threads.count_documents({"search": {"$exists": True}}) == 0
    await store.close()


async def test_a_time_is_kept_in_whole_milliseconds(store: Store) -> None:
    message = thread("t", at=1)
    message.updated_at.nanos += 999
    await store.commit([put(message, 0)])
    stored = await store.get(THREADS, "t")
    assert stored is not None
    assert stored.message.updated_at == timestamp(1)
