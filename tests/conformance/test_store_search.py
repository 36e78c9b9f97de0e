"""What every store promises of a text index: the words that are there are found, by whose they are, and no others."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from llmchat.threads.v1.thread_pb2 import ModelUsage, Thread, ThreadSettings

from libs.common.store.port import CollectionSpec, Delete, Put, Search, Store, TextIndex, UnindexedQuery
from libs.common.store.sqlite.store import SqliteStore
from libs.common.store.words import words
from tests.conformance.places import DURABLE, Place
from tests.conformance.specimens import LEASES, THREADS, put, thread


def titled(id: str, title: str, *, user: str = "user_1", tags: tuple[str, ...] = (), summary: str = "") -> Put:
    """The write of a thread with words."""
    models = {"echo": ModelUsage(summary=summary)} if summary else None
    settings = ThreadSettings(tags=tags)
    return Put(THREADS.name, id, Thread(id=id, user_id=user, title=title, settings=settings, models=models))


async def found(store: Store, text: str, *, user: str = "user_1", limit: int = 100, offset: int = 0) -> list[str]:
    """The ids of what a search finds, in its order."""
    search = Search.of(THREADS, user, words(text), limit=limit, offset=offset)
    return [stored.id for stored in await store.search(search)]


async def test_all_words_must_occur_and_of_the_last_the_beginning(store: Store) -> None:
    await store.commit(
        [titled("t1", "Lisbon by tram"), titled("t2", "Trams of Porto"), titled("t3", "By bus to Lisbon")]
    )

    assert set(await found(store, "lisbon")) == {"t1", "t3"}
    assert await found(store, "lisbon tram") == ["t1"]
    assert await found(store, "tram lisbon") == ["t1"]
    assert set(await found(store, "tra")) == {"t1", "t2"}
    assert await found(store, "lis tram") == []
    assert await found(store, "ram") == []


async def test_the_words_of_every_field_are_found_together(store: Store) -> None:
    await store.commit([titled("t1", "A weekend", tags=("travel", "food"), summary="They speak of trams in Lisbon.")])

    assert await found(store, "weekend travel lisbon") == ["t1"]
    assert await found(store, "food") == ["t1"]


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Über Ärger", "uber arger"),
        ("uber arger", "Über Ärger"),
        ("CAFÉ", "cafe\u0301"),
        ("Straße", "strasse"),
        ("ＦＵＬＬ width", "full"),
        ("Привет, мир", "МИР"),
        ("東京タワーの夜", "タワー"),
        ("東京タワーの夜", "東京"),
        ("한국어 공부", "한국어"),
        ("std::vector<int> v2", "vector int"),
        ("snake_case_name", "case"),
        ("it's", "it s"),
        ("100% sure", "100"),
    ],
)
async def test_case_accents_width_and_marks_do_not_matter(store: Store, title: str, text: str) -> None:
    await store.commit([titled("t", title), titled("other", "nothing of it")])

    assert await found(store, text) == ["t"]


@pytest.mark.parametrize(
    "text", ['"', "* OR t", "title : x", "NOT", "( )", "AND", "NEAR(a b)", "'; DROP TABLE threads"]
)
async def test_what_an_engine_might_take_for_its_own_language_is_words(store: Store, text: str) -> None:
    await store.commit([titled("t", "Something else")])

    if words(text):
        assert await found(store, text) == []


async def test_nobody_finds_what_is_anothers(store: Store) -> None:
    await store.commit([titled("mine", "Lisbon"), titled("theirs", "Lisbon user_1", user="user_2")])

    assert await found(store, "lisbon") == ["mine"]
    assert await found(store, "lisbon", user="user_2") == ["theirs"]
    assert await found(store, "lisbon", user="user") == []
    assert await found(store, "user") == []


async def test_more_matches_and_weightier_fields_come_first_and_pages_join(store: Store) -> None:
    await store.commit(
        [
            titled("often", "Lisbon, Lisbon and Lisbon"),
            titled("once", "Lisbon and Porto and Faro"),
            titled("aside", "Porto and Faro and Braga", summary="Also of Lisbon"),
        ]
    )

    whole = await found(store, "lisbon")
    assert whole == ["often", "once", "aside"]
    assert [await found(store, "lisbon", limit=1, offset=offset) for offset in range(4)] == [
        ["often"],
        ["once"],
        ["aside"],
        [],
    ]


async def test_the_index_follows_each_write_in_its_commit(store: Store) -> None:
    await store.commit([titled("t", "Lisbon")])
    await store.commit([titled("t", "Porto")])
    assert (await found(store, "lisbon"), await found(store, "porto")) == ([], ["t"])

    await store.commit([titled("t", "Porto", user="user_2")])
    assert (await found(store, "porto"), await found(store, "porto", user="user_2")) == ([], ["t"])

    await store.commit([titled("t", "")])
    assert await found(store, "porto", user="user_2") == []

    await store.commit([titled("t", "Faro")])
    await store.commit([Delete(THREADS.name, "t")])
    assert await found(store, "faro") == []


async def test_a_refused_commit_leaves_the_index_as_it_was(store: Store) -> None:
    await store.commit([titled("t", "Lisbon")])
    stale = Put(THREADS.name, "t", Thread(id="t", user_id="user_1", title="Porto"), 7)
    others = [store.commit([titled(f"t{number}", "Faro")]) for number in range(20)]

    outcomes = await asyncio.gather(store.commit([titled("u", "Braga"), stale]), *others, return_exceptions=True)

    assert isinstance(outcomes[0], Exception)
    assert await found(store, "lisbon") == ["t"]
    assert await found(store, "porto") == await found(store, "braga") == []
    assert len(await found(store, "faro")) == 20


async def test_a_collection_without_a_text_index_is_not_searched(store: Store) -> None:
    with pytest.raises(UnindexedQuery):
        Search.of(LEASES, "", ["word"], limit=1)
    with pytest.raises(UnindexedQuery):
        Search.of(THREADS, "user_1", [], limit=1)


@pytest.mark.parametrize("place", DURABLE, indirect=True)
async def test_what_was_indexed_is_found_after_it_is_opened_again(place: Place) -> None:
    first = await place.open()
    await first.commit([put(thread("t", title="Lisbon by tram"))])
    await first.close()

    again = await place.open()
    assert await found(again, "tram") == ["t"]
    await again.close()


async def test_sqlite_indexes_anew_what_is_declared_otherwise(tmp_path: Path) -> None:
    def opened(text: TextIndex | None) -> tuple[SqliteStore, CollectionSpec[Thread]]:
        spec = replace(THREADS, text=text)
        return SqliteStore.open(tmp_path / "store.db", [spec]), spec

    store, _ = opened(None)
    await store.commit([titled("t", "Lisbon", tags=("travel",))])
    await store.close()
    for fields, expected in (({"title": 1.0}, []), ({"title": 1.0, "settings.tags": 1.0}, ["t"])):
        store, spec = opened(TextIndex("user_id", fields))
        search = Search.of(spec, "user_1", ["travel"], limit=1)
        assert [stored.id for stored in await store.search(search)] == expected
        await store.close()
