"""The real composition root on a free port, and people who use it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc import aio
from llmchat.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceStub
from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceStub
from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceStub
from llmchat.users.v1.users_service_pb2_grpc import UsersServiceStub

from libs.common.clock import Clock, wall_clock
from libs.common.crypto.tokens import Tokens
from libs.common.opening import open_process
from libs.common.process import Process
from libs.common.settings import Settings
from services.__main__ import EMBEDDED
from tests.integration.calling import NOBODY

if TYPE_CHECKING:
    from llmchat.catalog.v1.catalog_service_pb2_grpc import CatalogServiceAsyncStub
    from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceAsyncStub
    from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceAsyncStub
    from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceAsyncStub
    from llmchat.users.v1.users_service_pb2_grpc import UsersServiceAsyncStub


# Channels to one address would otherwise share a connection; without probing it buffers about 100 KB, not 5 MB.
_OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1), ("grpc.http2.bdp_probe", 0))


@dataclass(frozen=True)
class Person:
    """Somebody signed in: stubs whose calls carry their token."""

    user_id: str
    users: UsersServiceAsyncStub
    threads: ThreadsServiceAsyncStub
    messages: MessagesServiceAsyncStub
    catalog: CatalogServiceAsyncStub
    operations: OperationsServiceAsyncStub


class House:
    """A running system and the way to be somebody in it."""

    def __init__(self, process: Process, stack: AsyncExitStack) -> None:
        self.process = process
        self._stack = stack

    @property
    def address(self) -> str:
        return self.process.server.address

    async def person(self, user_id: str | None = None) -> Person:
        """Signed in without the quarter of a second that a password takes: with a token of the house's own making."""
        return await self._stack.enter_async_context(self.visit(user_id))

    def visit(self, user_id: str | None = None) -> AbstractAsyncContextManager[Person]:
        """As `person`, over a connection that is cut when the context is left."""
        return connected(self.address, self.process.tokens, user_id)


@asynccontextmanager
async def connected(address: str, tokens: Tokens, user_id: str | None = None) -> AsyncIterator[Person]:
    """Somebody with a token of `tokens` and a connection of their own to `address`."""
    user_id = user_id or f"user_{uuid.uuid4().hex}"
    token, _ = tokens.issue_user(user_id, False)
    async with bearing(address, token, user_id) as person:
        yield person


@asynccontextmanager
async def bearing(address: str, credential: str, user_id: str) -> AsyncIterator[Person]:
    """Whoever has the access token or key that stands for `user_id`, over a connection of their own to `address`."""
    async with aio.insecure_channel(address, _OWN_CONNECTION, interceptors=_signed(credential)) as channel:
        yield Person(
            user_id,
            UsersServiceStub(channel),
            ThreadsServiceStub(channel),
            MessagesServiceStub(channel),
            CatalogServiceStub(channel),
            OperationsServiceStub(channel),
        )


@asynccontextmanager
async def open_house(folder: Path, *services: str, clock: Clock = wall_clock, **changes: Any) -> AsyncIterator[House]:
    """The five services in this process on SQLite files in `folder`, or those that are named while the others are away.

    `changes` are settings that differ from those of most tests.
    """
    served = {name: bootstrap for name, bootstrap in EMBEDDED.items() if not services or name in services}
    settings: dict[str, Any] = {
        "listen": "127.0.0.1:0",
        "store_url": f"sqlite:///{folder}",
        "stop_grace": 0.5,
        "redelivery_interval": 0.2,
        "pull_interval": 0.2,
        **{f"{name}_address": NOBODY for name in EMBEDDED},
    }
    opened = open_process(Settings(**settings | changes), served, clock=clock)
    async with opened as process, AsyncExitStack() as stack:
        yield House(process, stack)


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """A house whose echo model answers as fast as it can."""
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "0")
    async with open_house(tmp_path / "data") as house:
        yield house


@pytest.fixture
async def anna(house: House) -> Person:
    """Somebody with an identity."""
    return await house.person()


def _signed(token: str) -> list[aio.ClientInterceptor]:
    metadata = (("authorization", f"Bearer {token}"),)

    class Unary(aio.UnaryUnaryClientInterceptor):
        async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
            return await continuation(_with(client_call_details, metadata), request)

    class Stream(aio.UnaryStreamClientInterceptor):
        async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
            return await continuation(_with(client_call_details, metadata), request)

    class Intake(aio.StreamUnaryClientInterceptor):
        async def intercept_stream_unary(
            self, continuation: Any, client_call_details: Any, request_iterator: Any
        ) -> Any:
            return await continuation(_with(client_call_details, metadata), request_iterator)

    return [Unary(), Stream(), Intake()]


def _with(details: aio.ClientCallDetails, metadata: tuple[tuple[str, str], ...]) -> aio.ClientCallDetails:
    merged = aio.Metadata(*(details.metadata or ()), *metadata)
    return aio.ClientCallDetails(details.method, details.timeout, merged, details.credentials, details.wait_for_ready)


def code_of(error: grpc.RpcError) -> grpc.StatusCode:
    """The status of a failed call."""
    assert isinstance(error, aio.AioRpcError)
    return error.code()
