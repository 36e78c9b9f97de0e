"""People outside: what they ask is asked again until it is answered, and what they read they check."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from google.protobuf.message import Message as AnyMessage
from llmchat.messages.v1.message_pb2 import Message
from llmchat.messages.v1.messages_service_pb2 import (
    EditMessageRequest,
    RegenerateMessageRequest,
    SendMessageRequest,
    StreamEvent,
    StreamTokensRequest,
)
from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceStub

from libs.common.context import Call, Caller, enter_call
from libs.common.errors import Contended, DeadlineExceeded, Invalid, NotFound, Unavailable
from tests.simulation.simulation import Simulation

# What is asked again.
TRANSIENT = (Unavailable, DeadlineExceeded, Contended)
Stub = Callable[..., Any]


class Person:
    """One person, who calls from outside. To be used in tasks of its own: it is who they call as."""

    def __init__(self, simulation: Simulation, user_id: str) -> None:
        self.simulation = simulation
        self.user_id = user_id
        self._requests = 0

    def stub(self, service: str, stub: Stub) -> Any:
        """A service's stub, for calls of this person's."""
        enter_call(Call(caller=Caller(user_id=self.user_id)))
        return self.simulation.channels().stub(service, stub)

    def request_id(self) -> str:
        """A new one."""
        self._requests += 1
        return f"{self.user_id}.{self._requests}"

    async def ask(self, service: str, stub: Stub, method: str, request: AnyMessage) -> Any:
        """The answer, however often it has to be asked for.

        Raises:
            DomainError: it is refused for good.
        """
        while True:
            try:
                return await getattr(self.stub(service, stub), method)(request)
            except TRANSIENT:
                await self.pause()

    async def pause(self) -> None:
        """Waits before a repetition."""
        await asyncio.sleep(self.simulation.random.uniform(0.01, 0.5))


class Reader:
    """One who reads an answer to its end, from a token on, over as many streams as it takes."""

    def __init__(self, person: Person, after_seq: int = 0) -> None:
        self._person = person
        self._simulation = person.simulation
        self.message_id = ""
        self.after_seq = after_seq
        self.tokens: list[str] = []
        self.ended: Message | None = None
        self.is_gone = False

    @property
    def seq(self) -> int:
        """The number of the last token that was seen."""
        return self.after_seq + len(self.tokens)

    async def send(self, request: SendMessageRequest | EditMessageRequest | RegenerateMessageRequest) -> None:
        """Sends a message, or has another version made, and reads its answer.

        Raises:
            DomainError: it is refused for good.
        """
        method = request.DESCRIPTOR.name.removesuffix("Request")
        while not self.message_id:
            await self._read(getattr(self._person.stub("messages", MessagesServiceStub), method)(request))
        await self.read(self.message_id)

    async def read(self, message_id: str) -> None:
        """Reads to the end, or until the message is gone."""
        self.message_id = message_id
        while self.ended is None and not self.is_gone:
            request = StreamTokensRequest(message_id=message_id, after_seq=self.seq)
            try:
                await self._read(self._person.stub("messages", MessagesServiceStub).StreamTokens(request))
            except NotFound:
                self.is_gone = True
            except Invalid as error:
                self._simulation.violate(f"{message_id}: no resuming after token {self.seq}, which was seen: {error}")
                self.is_gone = True

    async def _read(self, events: AsyncGenerator[StreamEvent, None]) -> None:
        """Reads one stream, which may break, or be left in the middle.

        Raises:
            DomainError: it is refused for good.
        """
        try:
            async with aclosing(events):
                async for event in events:
                    self._take(event)
                    if self.ended is None and self._simulation.chance(0.1):
                        return
            if self.ended is None:
                self._simulation.violate(f"{self.message_id}: its stream ended without its end")
        except TRANSIENT:
            await self._person.pause()

    def _take(self, event: StreamEvent) -> None:
        require = self._simulation.require
        name = f"{event.message_id} after {self.seq}"
        require(self.message_id in ("", event.message_id), f"{name}: the stream of another answer")
        self.message_id = event.message_id
        if event.HasField("tokens"):
            self.tokens += event.tokens.tokens
        require(event.seq == self.seq, f"{name}: {event.WhichOneof('event')} brings it to {event.seq}, not {self.seq}")
        if event.HasField("ended"):
            self.ended = event.ended.message
