"""Firestore's stand-in, by Google's own client: it does what the documentation of the real one says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import firestore
from google.cloud.firestore_v1 import AsyncClient, AsyncTransaction
from google.cloud.firestore_v1.base_query import FieldFilter

from tests.standins.firestore.faults import Fate
from tests.standins.firestore.server import StandInFirestore, serve_firestore

INDEXES = {
    "indexes": [
        {
            "collectionGroup": "cities",
            "queryScope": "COLLECTION",
            "fields": [
                {"fieldPath": "country", "order": "ASCENDING"},
                {"fieldPath": "people", "order": "DESCENDING"},
            ],
        }
    ],
    "fieldOverrides": [{"collectionGroup": "cities", "fieldPath": "story", "indexes": []}],
}
CITIES = {
    "faro": {"country": "pt", "people": 60, "story": {"text": "sand"}, "tags": ["sea", "south"]},
    "lisbon": {"country": "pt", "people": 540, "story": {"text": "trams"}, "tags": ["sea"]},
    "porto": {"country": "pt", "people": 230, "tags": []},
    "vigo": {"country": "es", "people": 230, "tags": ["sea"]},
}


@pytest.fixture
async def stand_in() -> AsyncIterator[StandInFirestore]:
    async with serve_firestore(indexes=INDEXES) as serving:
        yield serving


@pytest.fixture
async def client(stand_in: StandInFirestore, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AsyncClient]:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", stand_in.address)
    opened = AsyncClient(project="test")
    yield opened
    await opened._firestore_api.transport.close()


@pytest.fixture
async def cities(client: AsyncClient) -> Any:
    for name, city in CITIES.items():
        await client.document(f"cities/{name}").create(city)
    return client.collection("cities")


async def ids(query: Any) -> list[str]:
    return [found.id async for found in query.stream()]


def where(field: str, comparison: str, value: object) -> FieldFilter:
    return FieldFilter(field, comparison, value)


async def test_a_document_comes_back_as_it_was_set(client: AsyncClient) -> None:
    document = client.document("a/b")
    values = {"n": 2**62, "x": 0.5, "t": "é", "b": b"\0", "l": [1, {"m": None}], "d": {"e": True}}
    await document.set(values)
    await document.update(
        {"d.e": False, "`odd key`": 1, "n": firestore.Increment(-1), "at": firestore.SERVER_TIMESTAMP}
    )
    read = await document.get()
    assert {**(read.to_dict() or {}), "at": None} == {
        **values,
        "d": {"e": False},
        "odd key": 1,
        "n": 2**62 - 1,
        "at": None,
    }
    assert read.get("at") == read.update_time
    assert read.create_time < read.update_time


async def test_arrays_gain_and_lose_elements(client: AsyncClient) -> None:
    document = client.document("a/b")
    await document.set({"l": [1, 2, 2]})
    await document.update({"l": firestore.ArrayUnion([2, 3])})
    assert (await document.get()).to_dict() == {"l": [1, 2, 2, 3]}
    await document.update({"l": firestore.ArrayRemove([2])})
    assert (await document.get()).to_dict() == {"l": [1, 3]}


async def test_what_a_write_requires_is_checked(client: AsyncClient) -> None:
    document = client.document("a/b")
    with pytest.raises(exceptions.NotFound):
        await document.update({"n": 1})
    created = await document.create({"n": 1})
    with pytest.raises(exceptions.AlreadyExists):
        await document.create({"n": 2})
    await document.update({"n": 2}, option=client.write_option(last_update_time=created.update_time))
    with pytest.raises(exceptions.FailedPrecondition):
        await document.update({"n": 3}, option=client.write_option(last_update_time=created.update_time))
    assert (await document.get()).to_dict() == {"n": 2}


async def test_a_write_that_changes_nothing_leaves_the_time_of_the_last_update(client: AsyncClient) -> None:
    first = await client.document("a/b").set({"n": 1})
    second = await client.document("a/b").set({"n": 1})
    assert second.update_time == first.update_time


async def test_a_batch_is_stored_whole_or_not_at_all(client: AsyncClient) -> None:
    await client.document("a/taken").set({})
    batch = client.batch()
    batch.set(client.document("a/new"), {})
    batch.create(client.document("a/taken"), {})
    with pytest.raises(exceptions.AlreadyExists):
        await batch.commit()
    assert not (await client.document("a/new").get()).exists


@pytest.mark.parametrize("id", [".", "..", "__id__", "x" * 1501], ids=lambda id: id[:8])
async def test_ids_that_are_reserved_are_refused(client: AsyncClient, id: str) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        await client.collection("a").document(id).set({})


@pytest.mark.parametrize(
    "values",
    [{"l": [[1]]}, {"m": {"__x__": 1}}, {"t": "x" * 1_048_577}, {"words": list(map(str, range(40_001)))}],
    ids=["an array in an array", "a reserved name", "too large", "too many entries"],
)
async def test_documents_that_may_not_be_are_refused(client: AsyncClient, values: dict[str, Any]) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        await client.document("a/b").set(values)


async def test_transactions_that_meet_sum_up(client: AsyncClient) -> None:
    document = client.document("a/counter")
    await document.set({"n": 0})

    @firestore.async_transactional
    async def add(transaction: AsyncTransaction) -> None:
        read = await document.get(transaction=transaction)
        await asyncio.sleep(0)
        transaction.update(document, {"n": read.get("n") + 1})

    await asyncio.gather(*(add(client.transaction(max_attempts=50)) for _ in range(8)))
    assert (await document.get()).get("n") == 8


async def absent(client: AsyncClient, transaction: AsyncTransaction) -> None:
    assert not (await client.document("a/absent").get(transaction=transaction)).exists


async def most_people(client: AsyncClient, transaction: AsyncTransaction) -> None:
    query = client.collection("cities").order_by("people", direction=firestore.Query.DESCENDING).limit(1)
    assert [one.id async for one in query.stream(transaction=transaction)] == ["lisbon"]


@pytest.mark.usefixtures("cities")
@pytest.mark.parametrize(
    ("read", "changed", "aborted"),
    [(absent, "a/absent", True), (absent, "a/another", False), (most_people, "cities/braga", True)],
)
async def test_a_transaction_is_aborted_when_what_it_read_has_changed(
    client: AsyncClient, read: Any, changed: str, aborted: bool
) -> None:
    transaction = client.transaction()
    await transaction._begin()
    await read(client, transaction)
    await client.document(changed).set({"people": 1000})
    transaction.set(client.document("a/written"), {})
    if aborted:
        with pytest.raises(exceptions.Aborted):
            await transaction._commit()
    else:
        await transaction._commit()
    assert (await client.document("a/written").get()).exists is not aborted


async def test_a_transaction_reads_what_was_there_when_it_began(client: AsyncClient) -> None:
    await client.document("a/b").set({"n": 1})
    transaction = client.transaction(read_only=True)
    await transaction._begin()
    await client.document("a/b").set({"n": 2})
    assert (await client.document("a/b").get(transaction=transaction)).get("n") == 1
    await transaction._rollback()


async def test_values_are_ordered_by_type_then_by_size(client: AsyncClient) -> None:
    values: list[Any] = [
        None,
        False,
        True,
        float("nan"),
        -1.5,
        0,
        2**53,
        2**53 + 1,
        "",
        "a",
        "\ud7ff",
        "\uffff",
        "😀",
        b"",
        [1],
        {},
    ]
    for number, value in enumerate(values):
        await client.document(f"a/{number:02}").set({"v": value, "other": 1})
    await client.document("a/without").set({"other": 1})
    expected = [f"{number:02}" for number in range(len(values))]
    assert await ids(client.collection("a").order_by("v")) == expected
    descending = client.collection("a").order_by("v", direction=firestore.Query.DESCENDING)
    assert await ids(descending) == expected[::-1]


async def test_queries_by_equality_and_order(cities: Any) -> None:
    portuguese = cities.where(filter=where("country", "==", "pt"))
    assert await ids(portuguese) == ["faro", "lisbon", "porto"]
    largest = portuguese.order_by("people", direction=firestore.Query.DESCENDING)
    assert await ids(largest) == ["lisbon", "porto", "faro"]
    assert await ids(largest.limit(1).offset(1)) == ["porto"]
    assert await ids(cities.where(filter=where("tags", "array_contains", "sea"))) == ["faro", "lisbon", "vigo"]
    assert await ids(cities.where(filter=where("people", ">", 60)).where(filter=where("people", "<", 540))) == [
        "porto",
        "vigo",
    ]
    assert [found.to_dict() async for found in largest.select(["people"]).limit(1).stream()] == [{"people": 540}]


async def test_cursors_stand_before_or_after_their_place(cities: Any) -> None:
    by_people = cities.order_by("people").order_by("__name__")
    assert await ids(by_people.start_at({"people": 230, "__name__": "vigo"})) == ["vigo", "lisbon"]
    assert await ids(by_people.start_after({"people": 230, "__name__": "porto"})) == ["vigo", "lisbon"]
    assert await ids(by_people.start_after({"people": 230})) == ["lisbon"]
    assert await ids(by_people.end_before({"people": 230})) == ["faro"]
    assert await ids(by_people.end_at({"people": 230, "__name__": "porto"})) == ["faro", "porto"]


async def test_a_query_that_no_index_answers_is_refused(cities: Any) -> None:
    refused = [
        cities.where(filter=where("country", "==", "pt")).order_by("people"),
        cities.where(filter=where("story.text", "==", "sand")),
        cities.order_by("__name__", direction=firestore.Query.DESCENDING),
        cities.order_by("people").order_by("__name__", direction=firestore.Query.DESCENDING),
        cities.order_by("country").order_by("people"),
    ]
    for query in refused:
        with pytest.raises(exceptions.FailedPrecondition, match="requires an index"):
            await ids(query)


async def test_documents_are_counted(cities: Any) -> None:
    [[counted]] = await cities.where(filter=where("country", "==", "pt")).count(alias="n").get()
    assert counted.value == 3
    [[counted]] = await cities.limit(2).count().get()
    assert counted.value == 2


async def test_documents_are_listed_by_name(client: AsyncClient, cities: Any) -> None:
    assert [one.id async for one in cities.list_documents(page_size=3)] == list(CITIES)
    found = [one async for one in client.get_all([cities.document("vigo"), cities.document("none")])]
    assert {one.id: one.exists for one in found} == {"vigo": True, "none": False}


async def test_faults_of_commits(client: AsyncClient, stand_in: StandInFirestore) -> None:
    document = client.document("a/b")
    stand_in.faults.coming += [Fate.ABORTED]
    with pytest.raises(exceptions.Aborted):
        await document.set({"n": 1}, retry=None)
    stand_in.faults.coming += [Fate.LOST]
    with pytest.raises(exceptions.ServiceUnavailable):
        await document.set({"n": 1}, retry=None)
    assert not (await document.get()).exists
    stand_in.faults.coming += [Fate.DROPPED]
    with pytest.raises(exceptions.ServiceUnavailable):
        await document.set({"n": 1}, retry=None)
    assert (await document.get()).exists
