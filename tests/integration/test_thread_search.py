"""Finding threads again: by their place in the list, by a tag, by words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode
from llmchat.threads.v1.thread_pb2 import Thread, ThreadSettings
from llmchat.threads.v1.threads_service_pb2 import (
    CreateThreadRequest,
    DeleteThreadRequest,
    ListThreadsRequest,
    SearchThreadsRequest,
    UpdateThreadRequest,
)
from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceStub

from libs.common.process import Process
from tests.integration.calling import SignedIn, refused, sign_in
from tests.integration.conftest import open_house


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    async with open_house(tmp_path, "threads") as house:
        yield house.process


@pytest.fixture
async def people(process: Process) -> AsyncIterator[list[SignedIn]]:
    async with sign_in(process, ThreadsServiceStub, "user_alice", "user_bob") as people:
        yield people


async def open_thread(person: SignedIn, title: str, **settings: Any) -> Thread:
    request = CreateThreadRequest(title=title, settings=ThreadSettings(**settings))
    created: Thread = await person.CreateThread(request)
    return created


async def change(person: SignedIn, thread: Thread, *paths: str, **settings: Any) -> Thread:
    changed = Thread(id=thread.id, settings=ThreadSettings(**settings))
    updated: Thread = await person.UpdateThread(UpdateThreadRequest(thread=changed, update_mask=FieldMask(paths=paths)))
    return updated


async def titles(person: SignedIn, **asked: Any) -> list[str]:
    """Of all pages together."""
    found: list[str] = []
    token = ""
    while True:
        page = await person.ListThreads(ListThreadsRequest(page_token=token, **asked))
        found += [thread.title for thread in page.threads]
        token = page.next_page_token
        if not token:
            return found


async def found(person: SignedIn, query: str, **asked: Any) -> list[str]:
    answer = await person.SearchThreads(SearchThreadsRequest(query=query, **asked))
    return [thread.title for thread in answer.threads]


@pytest.mark.parametrize("page_size", [1, 2, 100])
async def test_pinned_threads_come_first_and_return_to_their_place(people: list[SignedIn], page_size: int) -> None:
    alice, _ = people
    first, _, _ = [await open_thread(alice, title) for title in ("one", "two", "three")]

    await change(alice, first, "settings.is_pinned", is_pinned=True)
    assert await titles(alice, page_size=page_size) == ["one", "three", "two"]
    assert await titles(alice, page_size=page_size, is_archived=False) == ["one", "three", "two"]

    await change(alice, first, "settings.is_pinned", is_pinned=False)
    assert await titles(alice, page_size=page_size) == ["three", "two", "one"]


@pytest.mark.parametrize("page_size", [1, 2, 100])
async def test_a_tag_narrows_the_list(people: list[SignedIn], page_size: int) -> None:
    alice, bob = people
    await open_thread(alice, "Lisbon", tags=["travel", "2026"])
    for title in ("one", "two", "three"):
        await open_thread(alice, title, tags=["work"])
    await open_thread(alice, "Porto", tags=["travel"], is_archived=True)
    await open_thread(bob, "Faro", tags=["travel"])

    assert await titles(alice, tag="travel", page_size=page_size) == ["Porto", "Lisbon"]
    assert await titles(alice, tag="travel", is_archived=False, page_size=page_size) == ["Lisbon"]
    assert await titles(alice, tag="trav", page_size=page_size) == []


async def test_a_count_is_not_asked_for_together_with_a_tag(people: list[SignedIn]) -> None:
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await people[0].ListThreads(ListThreadsRequest(tag="travel", count_total=True))

    assert refusal.fields == {"count_total"}


async def test_words_of_titles_and_tags_are_found(people: list[SignedIn]) -> None:
    alice, bob = people
    await open_thread(alice, "Lisbon by tram", tags=["Café"])
    await open_thread(alice, "Lisbon in winter", is_archived=True)
    await open_thread(bob, "Lisbon by bus")

    assert set(await found(alice, "LISBON")) == {"Lisbon by tram", "Lisbon in winter"}
    assert await found(alice, "lisbon cafe") == ["Lisbon by tram"]
    assert await found(alice, "wint") == ["Lisbon in winter"]
    assert await found(bob, "tram") == []


async def test_a_search_follows_titles_as_they_change_and_threads_as_they_go(people: list[SignedIn]) -> None:
    alice, _ = people
    thread = await open_thread(alice, "Lisbon")

    renamed = Thread(id=thread.id, title="Porto")
    await alice.UpdateThread(UpdateThreadRequest(thread=renamed, update_mask=FieldMask(paths=["title"])))
    assert (await found(alice, "lisbon"), await found(alice, "porto")) == ([], ["Porto"])

    await alice.DeleteThread(DeleteThreadRequest(id=thread.id))
    assert await found(alice, "porto") == []


async def test_the_pages_of_a_search_join_to_the_whole(people: list[SignedIn]) -> None:
    alice, _ = people
    for number in range(7):
        await open_thread(alice, f"trip {number}")

    pages: list[list[str]] = []
    token = ""
    while not pages or token:
        answer = await alice.SearchThreads(SearchThreadsRequest(query="trip", page_size=3, page_token=token))
        pages.append([thread.title for thread in answer.threads])
        token = answer.next_page_token

    assert [len(page) for page in pages] == [3, 3, 1]
    assert {title for page in pages for title in page} == {f"trip {number}" for number in range(7)}


async def test_a_page_token_is_good_for_its_search_alone(people: list[SignedIn]) -> None:
    alice, bob = people
    for person in people:
        for number in range(3):
            await open_thread(person, f"trip {number}")
    token = (await alice.SearchThreads(SearchThreadsRequest(query="trip", page_size=1))).next_page_token

    for person, query in ((alice, "trips"), (bob, "trip")):
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            await person.SearchThreads(SearchThreadsRequest(query=query, page_size=1, page_token=token))
        assert refusal.fields == {"page_token"}


@pytest.mark.parametrize("query", ["   ", "?!", " ".join(f"word{number}" for number in range(25))])
async def test_a_search_needs_words_and_not_too_many(people: list[SignedIn], query: str) -> None:
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await people[0].SearchThreads(SearchThreadsRequest(query=query))

    assert refusal.fields == {"query"}
