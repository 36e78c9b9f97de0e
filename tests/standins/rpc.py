"""A real server on a real socket whose two services do what the test says."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.message import Message
from google.rpc import status_pb2
from grpc import aio
from llmchat.messages.v1 import messages_service_pb2 as messages_pb2
from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceStub
from llmchat.operations.v1.system_config_pb2 import SystemLimits
from llmchat.threads.v1 import thread_pb2
from llmchat.threads.v1 import threads_service_pb2 as threads_pb2
from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceStub

from libs.common.access.limits import CountedLimits
from libs.common.clock import wall_clock
from libs.common.context import Call, Verified
from libs.common.crypto.tokens import Tokens
from libs.common.errors import Unauthenticated
from libs.common.rpc.interceptors.revocations import Revocations
from libs.common.rpc.interceptors.tally import Tally
from libs.common.rpc.server import Server
from tests.standins.partial import filled

if TYPE_CHECKING:
    from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceAsyncStub
    from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceAsyncStub

D = TypeVar("D", bound=Message)

TOKENS = Tokens([b"a key that all tests share, 32 B!"])
THREADS = threads_pb2.DESCRIPTOR.services_by_name["ThreadsService"]
MESSAGES = messages_pb2.DESCRIPTOR.services_by_name["MessagesService"]

Answer = Callable[[Any, Call], Awaitable[Message]]
Stream = Callable[[Any, Call], AsyncGenerator[Message, None]]
Metadata = tuple[tuple[str, str], ...]


class Threads:
    """A threads service: every method with one answer does what it was made with."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def GetThread(self, request: Message, call: Call) -> Message:
        return await self._answer(request, call)

    async def WatchThreads(self, request: Message, call: Call) -> AsyncGenerator[Message, None]:
        raise NotImplementedError
        yield

    CreateThread = ListThreads = UpdateThread = DeleteThread = SetGeneratedTitle = GetThread


class Messages:
    """A messages service: its streams do what it was made with, its other methods answer with nothing."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    async def GetMessage(self, request: Message, call: Call) -> Message:
        raise NotImplementedError

    def StreamTokens(self, request: Message, call: Call) -> AsyncGenerator[Message, None]:
        return self._stream(request, call)

    SendMessage = PullModel = StreamTokens
    CancelGeneration = ListMessages = SuggestTitle = GetMessage


@dataclass(frozen=True)
class Served:
    """The running server and ways to call it."""

    server: Server
    target: str
    channel: aio.Channel
    threads: ThreadsServiceAsyncStub
    messages: MessagesServiceAsyncStub


async def knows_no_key(secret: str) -> Verified:
    """Where no access key is known."""
    raise Unauthenticated("no such access key")


async def echo(request: Any, call: Call) -> thread_pb2.Thread:
    """Answers with the id that was asked for and the caller's."""
    return thread_pb2.Thread(id=request.id, user_id=call.caller.user_id)


async def two_events(request: Any, call: Call) -> AsyncGenerator[messages_pb2.StreamEvent, None]:
    """Streams two events."""
    for seq in (1, 2):
        yield messages_pb2.StreamEvent(message_id=request.message_id, seq=seq)


def new_server(listen: str = "127.0.0.1:0", **more: Any) -> Server:
    """A server without services and access keys, and without limits unless some are given."""
    settings: dict[str, Any] = {
        "reflection": False,
        "default_deadline": 30.0,
        "limits": CountedLimits(SystemLimits()),
        "tally": Tally(),
    }
    return Server(
        listen,
        authenticate=TOKENS.verify,
        resolve=knows_no_key,
        revocations=Revocations(wall_clock),
        **settings | more,
    )


@asynccontextmanager
async def serving(
    answer: Answer = echo,
    stream: Stream = two_events,
    *,
    listen: str = "127.0.0.1:0",
    reflection: bool = False,
    default_deadline: float = 30.0,
    connection_age: float | None = None,
    notice: float = 0.0,
    **more: Any,
) -> AsyncIterator[Served]:
    """A server with the two services, stopped at the end."""
    server = new_server(
        listen,
        reflection=reflection,
        default_deadline=default_deadline,
        connection_age=connection_age,
        notice=notice,
        **more,
    )
    server.add(THREADS, filled(THREADS, Threads(answer)))
    server.add(MESSAGES, filled(MESSAGES, Messages(stream)))
    await server.start()
    target = server.address
    try:
        async with aio.insecure_channel(target) as channel:
            yield Served(server, target, channel, ThreadsServiceStub(channel), MessagesServiceStub(channel))
    finally:
        await server.stop(0)


def signed_in(user_id: str = "user_ada", *, is_admin: bool = False, more: Metadata = ()) -> Metadata:
    """The metadata of a signed-in user's call."""
    return (("authorization", f"Bearer {TOKENS.issue_user(user_id, is_admin)[0]}"), *more)


def trailers(error: aio.AioRpcError) -> dict[str, Any]:
    """The trailing metadata of a failed call."""
    return dict(error.trailing_metadata())


def detail(error: aio.AioRpcError, kind: type[D]) -> D | None:
    """The detail of that kind in the rich status of a failed call; None where it has none."""
    status = status_pb2.Status.FromString(trailers(error)["grpc-status-details-bin"])
    found = kind()
    return found if any(part.Unpack(found) for part in status.details) else None
