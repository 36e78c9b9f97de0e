"""Threads that others may read: by a token that nobody guesses, everybody or the users who are named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from grpc import StatusCode, aio
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import (
    CreateThreadRequest,
    DeleteThreadRequest,
    GetSharedThreadRequest,
    SharedThread,
    ShareThreadRequest,
    UnshareThreadRequest,
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
    async with sign_in(process, ThreadsServiceStub, "user_alice", "user_bob", "user_carol") as people:
        yield people


@pytest.fixture
async def thread(people: list[SignedIn]) -> Thread:
    """Alice's."""
    created: Thread = await people[0].CreateThread(CreateThreadRequest(title="Lisbon by tram"))
    return created


async def share(person: SignedIn, thread: Thread, *names: str, new_token: bool = False, request_id: str = "") -> str:
    """The token; public where nobody is named."""
    request = ShareThreadRequest(
        id=thread.id, is_public=not names, allowed_users=names, new_token=new_token, request_id=request_id
    )
    shared: Thread = await person.ShareThread(request)
    return shared.sharing.share_token


async def read(person: SignedIn, token: str) -> SharedThread:
    shared: SharedThread = await person.GetSharedThread(GetSharedThreadRequest(share_token=token))
    return shared


async def test_a_public_thread_is_read_by_whoever_has_its_token(
    process: Process, people: list[SignedIn], thread: Thread
) -> None:
    token = await share(people[0], thread)

    async with aio.insecure_channel(process.server.address) as channel:
        shared = await ThreadsServiceStub(channel).GetSharedThread(GetSharedThreadRequest(share_token=token))

    assert (shared.thread_id, shared.title) == (thread.id, "Lisbon by tram")
    assert "user_alice" not in str(shared)
    assert len(token) >= 40


async def test_one_that_is_not_public_is_read_by_those_who_are_named(
    process: Process, people: list[SignedIn], thread: Thread
) -> None:
    alice, bob, carol = people
    token = await share(alice, thread, "user_bob")

    assert (await read(bob, token)).thread_id == thread.id
    assert (await read(alice, token)).thread_id == thread.id
    with refused(StatusCode.NOT_FOUND):
        await read(carol, token)
    async with aio.insecure_channel(process.server.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as nobody:
            await ThreadsServiceStub(channel).GetSharedThread(GetSharedThreadRequest(share_token=token))
    assert nobody.value.code() is StatusCode.NOT_FOUND


async def test_who_may_read_is_changed_under_the_same_token(people: list[SignedIn], thread: Thread) -> None:
    alice, bob, carol = people
    token = await share(alice, thread, "user_bob")

    assert await share(alice, thread, "user_carol") == token
    with refused(StatusCode.NOT_FOUND):
        await read(bob, token)
    assert (await read(carol, token)).thread_id == thread.id


async def test_a_new_token_ends_the_former_one(people: list[SignedIn], thread: Thread) -> None:
    alice, bob, _ = people
    former = await share(alice, thread)

    token = await share(alice, thread, new_token=True)

    assert token != former
    assert (await read(bob, token)).thread_id == thread.id
    with refused(StatusCode.NOT_FOUND):
        await read(bob, former)


@pytest.mark.parametrize("ending", ["unshared", "deleted"])
async def test_a_token_is_good_for_nothing_once_its_thread_is(
    people: list[SignedIn], thread: Thread, ending: str
) -> None:
    alice, bob, _ = people
    token = await share(alice, thread)

    if ending == "unshared":
        closed: Thread = await alice.UnshareThread(UnshareThreadRequest(id=thread.id))
        assert not closed.HasField("sharing")
    else:
        await alice.DeleteThread(DeleteThreadRequest(id=thread.id))

    with refused(StatusCode.NOT_FOUND):
        await read(bob, token)


async def test_what_is_not_found_does_not_repeat_the_token(people: list[SignedIn]) -> None:
    with refused(StatusCode.NOT_FOUND) as refusal:
        await read(people[0], "guessed-token")

    assert "guessed-token" not in str(refusal.error) + str(refusal.error.metadata)


async def test_unsharing_what_is_not_shared_changes_nothing(people: list[SignedIn], thread: Thread) -> None:
    assert (await people[0].UnshareThread(UnshareThreadRequest(id=thread.id))).etag == thread.etag


async def test_a_repeated_request_gives_the_same_token(people: list[SignedIn], thread: Thread) -> None:
    tokens = {await share(people[0], thread, new_token=True, request_id="one") for _ in range(3)}

    assert len(tokens) == 1


async def test_somebody_elses_thread_is_not_shared(people: list[SignedIn], thread: Thread) -> None:
    with refused(StatusCode.NOT_FOUND):
        await share(people[1], thread)
    with refused(StatusCode.NOT_FOUND):
        await people[1].UnshareThread(UnshareThreadRequest(id=thread.id))


@pytest.mark.parametrize(("is_public", "names"), [(False, []), (True, ["user_bob"])])
async def test_who_may_read_is_said_clearly(
    people: list[SignedIn], thread: Thread, is_public: bool, names: list[str]
) -> None:
    request = ShareThreadRequest(id=thread.id, is_public=is_public, allowed_users=names)
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await people[0].ShareThread(request)

    assert refusal.fields == {"allowed_users"}
