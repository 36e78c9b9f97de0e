"""How the integration tests call: as a signed-in user, through a real socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, TypeVar

import grpc
import pytest
from grpc import aio

from libs.common.errors import DomainError, Invalid
from libs.common.process import Process
from libs.common.rpc.status import from_rpc_error

T = TypeVar("T")

# Of services that a test does without.
NOBODY = "127.0.0.1:1"


class SignedIn:
    """A stub's RPCs with an access token: `await alice.GetThread(request)`."""

    def __init__(self, stub: object, token: str) -> None:
        self._stub = stub
        self._metadata = (("authorization", f"Bearer {token}"),)

    def __getattr__(self, name: str) -> Any:
        return partial(getattr(self._stub, name), metadata=self._metadata, timeout=30)


@asynccontextmanager
async def sign_in(
    process: Process, stub: Callable[[aio.Channel], object], *user_ids: str
) -> AsyncIterator[list[SignedIn]]:
    """The same stub for each of the users, over one channel."""
    async with aio.insecure_channel(process.server.address) as channel:
        yield [SignedIn(stub(channel), process.tokens.issue_user(id, False)[0]) for id in user_ids]


class Refusal:
    """What a refused call was answered with."""

    def __init__(self) -> None:
        self.error: DomainError = DomainError("nothing was refused")

    @property
    def fields(self) -> set[str]:
        """The fields of all violations."""
        assert isinstance(self.error, Invalid)
        return {violation.field for violation in self.error.violations}


@contextmanager
def refused(code: grpc.StatusCode) -> Iterator[Refusal]:
    """Passes when what is called within it is refused with `code`."""
    refusal = Refusal()
    with pytest.raises(aio.AioRpcError) as caught:
        yield refusal
    assert caught.value.code() is code, caught.value.details()
    refusal.error = from_rpc_error(caught.value)


async def eventually(read: Callable[[], Awaitable[T]], holds: Callable[[T], object], *, within: float = 10.0) -> T:
    """What `read` gives once it `holds`; fails after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        value = await read()
        if holds(value):
            return value
        assert time.monotonic() < deadline, f"still not so after {within} s: {value}"
        await asyncio.sleep(0.01)
