"""Who is out is out at once, wherever they call and by whatever they come in: tokens, keys, streams that are open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode, aio
from llmchat.access.v1.access_service_pb2 import Revocation
from llmchat.catalog.v1.catalog_service_pb2 import ListModelsRequest
from llmchat.messages.v1.messages_service_pb2 import ListMessagesRequest, SendMessageRequest, StreamTokensRequest
from llmchat.operations.v1.operation_pb2 import OPERATION_STATUS_COMPLETED
from llmchat.operations.v1.operations_service_pb2 import (
    GetOperationRequest,
    ListOperationsRequest,
    WatchOperationRequest,
)
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, ListThreadsRequest, WatchThreadsRequest
from llmchat.users.v1.users_service_pb2 import (
    CreateAccessKeyRequest,
    DeleteUserRequest,
    GetUserRequest,
    LoginRequest,
    LoginResponse,
    ReactivateUserRequest,
    RefreshSessionRequest,
    SuspendUserRequest,
)

from libs.client.redis_process import redis_serving
from libs.common.clock import timestamp
from libs.common.context import Caller
from tests.integration.accounts import account, administrator, program
from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, Person, bearing, open_house
from tests.standins.accounts import ADA, PASSWORD, registration

ME = GetUserRequest(id="me")
LOGIN = LoginRequest(username=ADA, password=PASSWORD)
# Two minutes at the pace of the houses here.
LONG = " ".join(["word"] * 6_000)
OTHERS = ("threads", "messages", "catalog", "operations")
# Longer than any of these tests: what happens does not happen because somebody looked.
NEVER = 600.0

# Something to ask of each service.
CALLS: dict[str, Callable[[Person], Awaitable[object]]] = {
    "users": lambda person: person.users.GetUser(ME),
    "threads": lambda person: person.threads.ListThreads(ListThreadsRequest()),
    "messages": lambda person: person.messages.ListMessages(ListMessagesRequest(thread_id="any")),
    "catalog": lambda person: person.catalog.ListModels(ListModelsRequest()),
    "operations": lambda person: person.operations.ListOperations(ListOperationsRequest()),
}


@pytest.fixture(autouse=True)
def _slow_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "50")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, pull_interval=NEVER) as house:
        yield house


@dataclass
class Ada:
    """Ada, signed in, at her devices and by a program: connections to a house each, and the streams open on them."""

    signed_in: LoginResponse
    device: Person
    robot: Person
    streams: list[aio.UnaryStreamCall[Any, Any]]

    @property
    def id(self) -> str:
        return self.signed_in.user.id

    async def open_streams(self) -> None:
        """A watch of her threads, an answer that she asked for, and that answer followed once more; by both."""
        for person in (self.device, self.robot):
            thread = await person.threads.CreateThread(CreateThreadRequest())
            asked = person.messages.SendMessage(SendMessageRequest(thread_id=thread.id, model_id="echo", content=LONG))
            started = await following(asked)
            followed = person.messages.StreamTokens(StreamTokensRequest(message_id=started.message_id))
            watch = person.threads.WatchThreads(WatchThreadsRequest())
            for stream in (followed, watch):
                await following(stream)
            self.streams += [asked, followed, watch]


@asynccontextmanager
async def ada_at(accounts: House, *houses: House) -> AsyncIterator[list[Ada]]:
    """Ada, who registers and signs in where the accounts are, as she is connected to each of the houses."""
    async with AsyncExitStack() as stack:
        nobody = await stack.enter_async_context(accounts.visit())
        await nobody.users.CreateUser(registration())
        signed_in = await nobody.users.Login(LOGIN)
        device = bearing(accounts.address, signed_in.access_token, signed_in.user.id)
        request = CreateAccessKeyRequest(name="ci", permissions=["*"])
        made = await (await stack.enter_async_context(device)).users.CreateAccessKey(request)
        yield [
            Ada(
                signed_in,
                await stack.enter_async_context(bearing(house.address, signed_in.access_token, signed_in.user.id)),
                await stack.enter_async_context(program(house.address, made)),
                [],
            )
            for house in houses
        ]


async def following(stream: aio.UnaryStreamCall[Any, Any]) -> Any:
    """What comes next."""
    async with asyncio.timeout(10):
        return await stream.read()


async def suspend(root: Person, user_id: str) -> None:
    await root.users.SuspendUser(SuspendUserRequest(id=user_id, reason="spam"))


async def delete(root: Person, user_id: str) -> None:
    await root.users.DeleteUser(DeleteUserRequest(id=user_id))


async def expect_out(ada: Ada, *services: str) -> None:
    """The next call of each kind is refused."""
    for service in services:
        for person, reason in ((ada.device, "SIGN_IN_ENDED"), (ada.robot, "INVALID_ACCESS_KEY")):
            with refused(StatusCode.UNAUTHENTICATED) as refusal:
                await CALLS[service](person)
            assert refusal.error.reason == reason, service


async def expect_cut(ada: Ada) -> None:
    """Every stream ends before long, and says why."""
    assert ada.streams
    async with asyncio.timeout(10):
        for stream in ada.streams:
            with refused(StatusCode.UNAUTHENTICATED) as refusal:
                async for _ in stream:
                    pass
            assert refusal.error.reason == "SIGN_IN_ENDED"


async def is_out(ada: Ada, service: str) -> bool:
    """Whether she is, both by her token and by her key."""
    for person in (ada.device, ada.robot):
        try:
            await CALLS[service](person)
        except aio.AioRpcError as error:
            if error.code() is StatusCode.UNAUTHENTICATED:
                continue
            if error.code() is not StatusCode.NOT_FOUND:
                raise
        return False
    return True


# In one process


@pytest.mark.parametrize("end", [suspend, delete], ids=["suspended", "deleted"])
async def test_when_the_answer_is_there_everything_of_the_person_is_refused_and_cut(
    house: House, end: Callable[[Person, str], Awaitable[None]]
) -> None:
    async with administrator(house) as root, ada_at(house, house) as [ada]:
        bob = await account(house, "bob@example.org")
        his_watch = bob.threads.WatchThreads(WatchThreadsRequest())
        await following(his_watch)
        await ada.open_streams()

        await end(root, ada.id)

        await expect_out(ada, *CALLS)
        await expect_cut(ada)
        async with house.visit() as nobody:
            with refused(StatusCode.UNAUTHENTICATED) as refusal:
                await nobody.users.RefreshSession(RefreshSessionRequest(refresh_token=ada.signed_in.refresh_token))
            assert refusal.error.reason == "INVALID_REFRESH_TOKEN"
        thread = await bob.threads.CreateThread(CreateThreadRequest())
        assert (await following(his_watch)).thread == thread, "nobody else is"


async def test_who_is_back_signs_in_anew_and_is_in_again_at_once(house: House) -> None:
    async with administrator(house) as root, ada_at(house, house) as [ada], house.visit() as nobody:
        await suspend(root, ada.id)
        await root.users.ReactivateUser(ReactivateUserRequest(id=ada.id))

        with refused(StatusCode.UNAUTHENTICATED):
            await ada.device.users.GetUser(ME)
        again = await nobody.users.Login(LOGIN)
        refreshed = await nobody.users.RefreshSession(RefreshSessionRequest(refresh_token=again.refresh_token))
        for answer in (again, refreshed):
            async with bearing(house.address, answer.access_token, ada.id) as back:
                assert (await back.users.GetUser(ME)).id == ada.id
        assert (await ada.robot.users.GetUser(ME)).id == ada.id


async def test_a_restarted_process_refuses_who_was_out_before(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, administrator(house) as root, ada_at(house, house) as [ada]:
        await suspend(root, ada.id)
        await root.users.ReactivateUser(ReactivateUserRequest(id=ada.id))
        signed_in = ada.signed_in

    async with (
        open_house(tmp_path, pull_interval=NEVER) as house,
        bearing(house.address, signed_in.access_token, signed_in.user.id) as still_there,
    ):
        for call in CALLS.values():
            with refused(StatusCode.UNAUTHENTICATED) as refusal:
                await call(still_there)
            assert refusal.error.reason == "SIGN_IN_ENDED"


async def test_a_stream_that_begins_while_its_caller_goes_out_is_refused(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await account(house)
    admitting, admitted = asyncio.Event(), asyncio.Event()

    async def admit(caller: Caller, address: str) -> None:
        if caller.user_id == ada.user_id:
            admitting.set()
            await admitted.wait()

    monkeypatch.setattr(house.process.limits, "admit", admit)
    watch = ada.threads.WatchThreads(WatchThreadsRequest())
    reading = asyncio.create_task(watch.read())
    await admitting.wait()
    now = house.process.clock()
    out = Revocation(subject=f"user:{ada.user_id}", revoked_at=timestamp(now), expires_at=timestamp(now + 60_000))
    house.process.revocations.apply(out)
    admitted.set()

    with refused(StatusCode.UNAUTHENTICATED) as refusal:
        await asyncio.wait_for(reading, 10)
    assert refusal.error.reason == "SIGN_IN_ENDED"


# Following one's own deletion


async def test_who_is_deleted_follows_that_and_does_nothing_else(tmp_path: Path) -> None:
    async with open_house(tmp_path, "users", "operations") as house, ada_at(house, house) as [ada]:
        request = DeleteUserRequest(id="me", request_id="once")
        operation = await ada.device.users.DeleteUser(request)
        wanted = GetOperationRequest(id=operation.id)
        watch = ada.device.operations.WatchOperation(WatchOperationRequest(id=operation.id))
        assert (await following(watch)).id == operation.id

        assert (await ada.device.operations.GetOperation(wanted)).id == operation.id
        assert (await ada.device.users.DeleteUser(request)).id == operation.id
        with refused(StatusCode.NOT_FOUND):
            await ada.device.users.DeleteUser(DeleteUserRequest(id="me"))
        await expect_out(ada, "users", "operations")
        with refused(StatusCode.UNAUTHENTICATED):
            await ada.robot.operations.GetOperation(wanted)
        bob = await account(house, "bob@example.org")
        with refused(StatusCode.NOT_FOUND):
            await bob.operations.GetOperation(wanted)

    async with open_house(tmp_path) as house, bearing(house.address, ada.signed_in.access_token, ada.id) as device:
        async with asyncio.timeout(20):
            watch = device.operations.WatchOperation(WatchOperationRequest(id=operation.id))
            shown = [one async for one in watch]
        assert shown[-1].status == OPERATION_STATUS_COMPLETED
        with refused(StatusCode.UNAUTHENTICATED):
            await device.users.GetUser(ME)


# In two processes


@asynccontextmanager
async def apart(folder: Path, bus_url: str, pull_interval: float) -> AsyncIterator[tuple[House, House]]:
    """The users service, and as another process the rest."""
    common: dict[str, Any] = {"bus_url": bus_url, "pull_interval": pull_interval}
    async with AsyncExitStack() as stack:
        accounts = await stack.enter_async_context(open_house(folder, "users", **common))
        rest = await stack.enter_async_context(open_house(folder, *OTHERS, users_address=accounts.address, **common))
        yield accounts, rest


@pytest.mark.parametrize("end", [suspend, delete], ids=["suspended", "deleted"])
async def test_other_processes_hear_of_it_by_the_bus(
    redis_url: str, tmp_path: Path, end: Callable[[Person, str], Awaitable[None]]
) -> None:
    async with (
        apart(tmp_path, redis_url, NEVER) as (accounts, rest),
        administrator(accounts) as root,
        ada_at(accounts, accounts, rest) as [here, there],
    ):
        await there.open_streams()
        assert not await is_out(there, "threads")

        await end(root, here.id)

        await expect_out(here, "users")
        await eventually(lambda: is_out(there, "threads"), bool)
        await expect_out(there, *OTHERS)
        await expect_cut(there)


async def test_with_redis_gone_other_processes_ask_before_long(tmp_path: Path) -> None:
    async with (
        redis_serving() as redis,
        apart(tmp_path, redis.url, 0.3) as (accounts, rest),
        administrator(accounts) as root,
        ada_at(accounts, accounts, rest) as [here, there],
    ):
        await there.open_streams()
        redis.process.kill()
        await redis.process.wait()

        await suspend(root, here.id)

        await expect_out(here, "users")
        await eventually(lambda: is_out(there, "threads"), bool)
        await expect_out(there, *OTHERS)
        await expect_cut(there)


async def test_a_process_that_starts_later_refuses_from_its_first_call_on(redis_url: str, tmp_path: Path) -> None:
    common: dict[str, Any] = {"bus_url": redis_url, "pull_interval": NEVER}
    async with (
        open_house(tmp_path, "users", **common) as accounts,
        administrator(accounts) as root,
        ada_at(accounts, accounts) as [ada],
    ):
        await suspend(root, ada.id)
        async with (
            open_house(tmp_path, "threads", users_address=accounts.address, **common) as later,
            bearing(later.address, ada.signed_in.access_token, ada.id) as device,
        ):
            with refused(StatusCode.UNAUTHENTICATED) as refusal:
                await device.threads.ListThreads(ListThreadsRequest())
            assert refusal.error.reason == "SIGN_IN_ENDED"
