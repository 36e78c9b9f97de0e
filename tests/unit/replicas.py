"""Replicas of the messages service over one store and one bus, without servers, on a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial

from llmchat.catalog.v1.catalog_service_pb2 import GetModelRequest
from llmchat.catalog.v1.model_config_pb2 import MODEL_PROVIDER_ECHO, MODEL_PROVIDER_EXTERNAL, ModelConfig
from llmchat.messages.stored.v1.stream_pb2 import Chunk
from llmchat.messages.v1.message_pb2 import Message
from llmchat.messages.v1.messages_service_pb2 import BUSY_POLICY_ENQUEUE, BusyPolicy, SendMessageRequest
from llmchat.operations.v1.system_config_pb2 import SystemLimits
from llmchat.store.v1.lease_pb2 import Lease
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.users.v1.user_pb2 import UserSettings

from libs.common.access.limits import CountedLimits
from libs.common.context import Call, Caller
from libs.common.crypto.requests import RequestSeal
from libs.common.documents.documents import Documents
from libs.common.documents.pages import PageTokens
from libs.common.documents.system import LEASES, SYSTEM_COLLECTIONS
from libs.common.events.bus import Bus
from libs.common.events.changes import Changes
from libs.common.events.in_process_bus import InProcessBus
from libs.common.events.outbox import Outbox
from libs.common.failpoints import Failpoints
from libs.common.store.memory import MemoryStore
from libs.common.store.port import Query, Store
from libs.common.telemetry.metrics import Metrics
from services.messages.appending import Appending
from services.messages.collections import CHUNKS, COLLECTIONS, MESSAGES
from services.messages.defaults import Defaults
from services.messages.external import ExternalAnswers
from services.messages.generations import Generations
from services.messages.hub import Hub
from services.messages.models import Models
from services.messages.providers.external import ExternalProvider
from services.messages.providers.port import Health, Prompt, Usage
from services.messages.rules import has_ended
from services.messages.sending import Sending
from services.messages.streams import Streams
from tests.integration.calling import eventually
from tests.integration.watching import Seen, tokens_of, watch
from tests.unit.configured import live_config

LEASE_SECONDS = 0.1
LEASE = int(LEASE_SECONDS * 1000)
# Seconds that an answer may wait for who writes it outside.
PATIENCE = 60
# The model whose answers are written outside.
OUTSIDE = "outside"
DAY = 24 * 3600 * 1000
_ANNA = Call(method="/SendMessage", caller=Caller(user_id="anna"))


class HeldClock:
    """Stands still until a test moves it: no lease runs out by itself."""

    def __init__(self) -> None:
        self.now = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now


class ToldModel:
    """A stand-in for a model and its provider: it says what a test has it say, when the test has it say so."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[str] = asyncio.Queue()

    def say(self, *pieces: str) -> None:
        for piece in pieces:
            self._pieces.put_nowait(piece)

    def finish(self) -> None:
        """The answer ends here."""
        self._pieces.put_nowait("")

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str | Usage, None]:
        while piece := await self._pieces.get():
            yield piece

    async def check(self, api_key: str) -> Health:
        return Health()

    async def close(self) -> None:
        """Nothing to let go of."""


class Replica:
    """What one process of the messages service does; `dies` leaves everything as it is."""

    def __init__(
        self,
        name: str,
        installation: Installation,
        *,
        store: Store,
        watchdog: float,
        stop_grace: float,
        failpoints: str,
    ) -> None:
        self.name = name
        self.model = ToldModel()
        self.documents = installation.documents_over(store)
        outbox = Outbox("messages", self.documents, installation.bus, replica=name)
        providers = {MODEL_PROVIDER_ECHO: self.model, MODEL_PROVIDER_EXTERNAL: ExternalProvider()}
        models = Models(_Catalog(), providers, Metrics())  # type: ignore[arg-type]
        self.hub = Hub(64, installation.bus)
        waiting = Changes(installation.bus, "external_answers", watchdog)
        external = ExternalAnswers(self.documents, waiting, patience=PATIENCE, lease_seconds=LEASE_SECONDS)
        self.generations = Generations(
            self.documents,
            outbox,
            self.hub,
            models,
            external,
            installation.bus,
            replica=name,
            linger=0,
            lease_seconds=LEASE_SECONDS,
            stop_grace=stop_grace,
            failpoints=Failpoints.parse(failpoints),
        )
        limits = CountedLimits(SystemLimits())
        defaults = Defaults(_Users(), _Threads(), live_config(), Metrics())  # type: ignore[arg-type]
        self.sending = Sending(self.documents, models, defaults, self.generations, limits)
        self.streams = Streams(self.documents, self.hub, self.generations, watchdog)
        self.appending = Appending(self.documents, models, self.generations, external, waiting, PATIENCE)
        self._looking = asyncio.create_task(self.generations.run())

    async def ask(
        self,
        thread_id: str = "thread_1",
        busy_policy: BusyPolicy = BUSY_POLICY_ENQUEUE,
        request_id: str = "",
        model_id: str = "told",
    ) -> str:
        """The id of the answer, which this replica writes as soon as it is its turn; those of `OUTSIDE` are claimed."""
        request = SendMessageRequest(
            thread_id=thread_id, model_id=model_id, content="?", busy_policy=busy_policy, request_id=request_id
        )
        return (await self.sending.send(_ANNA, request)).message_id

    def follow(self, message_id: str, seen: Seen | None = None, *, until: int | None = None) -> asyncio.Task[Seen]:
        """A viewer at this replica, who goes on after what they have seen; see `watch`."""
        seen = seen or Seen(message_id)
        return asyncio.create_task(watch(self.streams.follow(message_id, seen.seq), seen, until=until))

    async def answer(self, message_id: str) -> Message:
        return await self.documents.get(MESSAGES, message_id)

    async def stops(self) -> None:
        """An orderly stop, in the order in which a process does it."""
        await self.generations.prepare_to_stop()
        await self.hub.close()
        await self._stop_looking()
        await self.generations.close()

    def freezes(self) -> None:
        """Renews no lease and looks for none, for now or for ever; its model may still have it say something."""
        self._looking.cancel()

    async def dies(self) -> None:
        """As by SIGKILL: it does nothing more, and what it was writing stays unfinished."""
        await self._stop_looking()
        writing = self.generations._running.tasks
        for task in writing:
            task.cancel()
        await asyncio.gather(*writing, return_exceptions=True)

    async def _stop_looking(self) -> None:
        self._looking.cancel()
        with suppress(asyncio.CancelledError):
            await self._looking


class Installation:
    """One store, one bus, one clock."""

    def __init__(self, bus: Bus | None = None) -> None:
        self.clock = HeldClock()
        self.bus = bus or InProcessBus()
        self.store = MemoryStore([*COLLECTIONS, *SYSTEM_COLLECTIONS])
        self.documents = self.documents_over(self.store)
        self._replicas: list[Replica] = []

    def documents_over(self, store: Store) -> Documents:
        return Documents(store, self.clock, PageTokens([b"p" * 32]), RequestSeal([b"d" * 32]))

    def replica(
        self,
        name: str,
        *,
        store: Store | None = None,
        watchdog: float = 60,
        stop_grace: float = 60,
        failpoints: str = "",
    ) -> Replica:
        """Another process. Its watchdog is so patient that what must come by the bus comes by the bus."""
        replica = Replica(
            name,
            self,
            store=store or self.store,
            watchdog=watchdog,
            stop_grace=stop_grace,
            failpoints=failpoints,
        )
        self._replicas.append(replica)
        return replica

    async def ended(self, message_id: str) -> Message:
        """The answer as it is stored, once it has ended."""
        return await eventually(partial(self.documents.get, MESSAGES, message_id), has_ended)

    async def chunks(self) -> list[Chunk]:
        return await self.documents.query(Query.by_id(CHUNKS))

    async def leases(self) -> list[Lease]:
        return await self.documents.query(Query.by_id(LEASES))

    async def leftovers(self) -> int:
        """What only answers have that are being generated, and those that were fenced off within a day."""
        return len(await self.chunks()) + len(await self.leases())

    async def stored(self, message_id: str, tokens: Sequence[str]) -> None:
        """Returns once these are the stored tokens of a running answer."""
        wanted = "".join(tokens)

        async def text() -> str:
            return "".join(chunk.tokens.text for chunk in await self.chunks() if chunk.id.startswith(message_id))

        await eventually(text, wanted.__eq__)

    async def close(self) -> None:
        for replica in self._replicas:
            await replica.dies()


@asynccontextmanager
async def installed(bus: Bus | None = None) -> AsyncIterator[Installation]:
    """An installation whose replicas are gone when the context is left."""
    installation = Installation(bus)
    try:
        yield installation
    finally:
        await installation.close()


def said(answer: Message) -> list[str]:
    """The tokens of an answer that has ended."""
    assert has_ended(answer)
    return tokens_of(answer)


class _Catalog:
    """A stand-in for the catalog service: a model that is told what to say, and one that is written outside."""

    async def GetModel(self, request: GetModelRequest) -> ModelConfig:  # noqa: N802 # the RPC's name
        provider = MODEL_PROVIDER_EXTERNAL if request.id == OUTSIDE else MODEL_PROVIDER_ECHO
        model = ModelConfig(id=request.id, provider=provider)
        model.specs.context_length = 1000
        model.status.is_available = True
        return model


class _Threads:
    """A stand-in for the threads service: every thread is the caller's, with no settings."""

    async def GetThread(self, request: object) -> Thread:  # noqa: N802 # the RPC's name
        return Thread()


class _Users:
    """A stand-in for the users service: nobody has set anything."""

    async def GetUserSettings(self, request: object) -> UserSettings:  # noqa: N802 # the RPC's name
        return UserSettings()
