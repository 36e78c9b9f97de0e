"""What one operating-system process gives to the services that run in it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from llmchat.access.v1.access_service_pb2_grpc import AccessServiceStub
from llmchat.events.v1.events_service_pb2 import DESCRIPTOR as EVENTS_DESCRIPTOR
from llmchat.events.v1.events_service_pb2 import PullEventsRequest, PullEventsResponse
from llmchat.events.v1.events_service_pb2_grpc import EventsServiceStub
from llmchat.integrity.v1.integrity_service_pb2 import DESCRIPTOR as INTEGRITY_DESCRIPTOR
from llmchat.migrations.v1.migrations_service_pb2 import DESCRIPTOR as MIGRATIONS_DESCRIPTOR
from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceStub
from llmchat.personal_data.v1.personal_data_service_pb2 import DESCRIPTOR as PERSONAL_DATA_DESCRIPTOR

from libs.common.access.access_keys import AccessKeys
from libs.common.access.config_feed import FollowedConfig
from libs.common.access.counts import Counts
from libs.common.access.feed import Feed, Followed
from libs.common.access.initial_config import initial_config
from libs.common.access.initial_limits import parse_limits
from libs.common.access.limits import CountedLimits
from libs.common.access.live_config import LiveConfig
from libs.common.access.revocation_feed import FollowedRevocations
from libs.common.background import Background, Work
from libs.common.caching.answers import Answers
from libs.common.caching.port import Cache
from libs.common.clock import Clock
from libs.common.context import Verified
from libs.common.crypto.keys import KeyRing
from libs.common.crypto.requests import RequestSeal
from libs.common.crypto.tokens import Tokens
from libs.common.documents.documents import Documents
from libs.common.documents.pages import PageTokens
from libs.common.documents.retention import Retention
from libs.common.documents.system import SYSTEM_COLLECTIONS
from libs.common.errors import Unavailable
from libs.common.events.acknowledging import Completion
from libs.common.events.bus import Bus
from libs.common.events.calls import CallsTold
from libs.common.events.gathering import Gathered
from libs.common.events.inbox import Handler, Inbox
from libs.common.events.open import is_shared
from libs.common.events.outbox import Outbox
from libs.common.events.parked import watch_events
from libs.common.events.service import EventsService
from libs.common.events.table import EVENTS
from libs.common.failpoints import Failpoints
from libs.common.integrity.references import References
from libs.common.integrity.service import IntegrityService
from libs.common.migrations.loading import Migrations
from libs.common.migrations.runner import Rewriting, Runner, untold
from libs.common.migrations.service import MigrationsService
from libs.common.migrations.starting import Mode, migrate, require_migrated
from libs.common.personal_data.declaration import PersonalSpec
from libs.common.personal_data.service import PersonalDataService
from libs.common.rpc.channels import Channels
from libs.common.rpc.interceptors.revocations import Revocations
from libs.common.rpc.interceptors.tally import Tally
from libs.common.rpc.server import Server
from libs.common.rpc.tls import Tls
from libs.common.settings import SERVICES, Settings
from libs.common.store.open import is_held_alone, open_store
from libs.common.store.port import CollectionSpec
from libs.common.telemetry.lookups import Lookups
from libs.common.telemetry.metered_bus import MeteredBus
from libs.common.telemetry.metrics import Metrics
from libs.common.telemetry.store_timings import StoreTimings
from libs.common.telemetry.tracing import Tracing

_log = logging.getLogger(__name__)

# Seconds in which the clients of a stopping replica hear of it and leave: many times what a message to them takes.
_NOTICE = 0.2

# Wires one service into a process from its settings: the whole of a service's composition.
Bootstrap = Callable[["Process"], Awaitable[None]]


class Process:
    """Server, bus, keys and channels, and the lifetimes of all that is opened on them.

    `replica` names this process in leases. Built by `opening.open_process`.
    """

    def __init__(
        self,
        settings: Settings,
        bus: Bus,
        keys: KeyRing,
        clock: Clock,
        stack: AsyncExitStack,
        *,
        replica: str,
        serves: Collection[str] = SERVICES,
        counts: Counts | None = None,
        cache: Cache | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.settings = settings
        self._serves = frozenset(serves)
        self.keys = keys
        self.clock = clock
        self.stack = stack
        self.metrics = Metrics()
        # None: reads go to the store.
        self.cache = cache
        self._tracing = tracing
        # Where they are read; empty: nowhere.
        self.metrics_address = ""
        self._stores = StoreTimings(self.metrics.registry)
        self.bus: Bus = MeteredBus(bus, self.metrics)
        # No other process has anything to do with these documents: a lease of another holder is a dead one's.
        self.exclusive = not is_shared(settings.bus_url) and all(map(is_held_alone, settings.stores_of(serves)))
        self.failpoints = Failpoints.parse(settings.failpoints)
        self.replica = replica
        self._events = EventsService()
        self._integrity = IntegrityService()
        self._migrations = MigrationsService()
        self._personal_data = PersonalDataService()
        self.tokens = Tokens(keys.derive("tokens"), clock)
        self.revocations = Revocations(clock)
        initial_limits = parse_limits(settings.limits)
        self.limits = CountedLimits(initial_limits, counts)
        # Until something is heard from the operations service.
        self.config = LiveConfig(initial_config(initial_limits), self.limits)
        self._tally = Tally()
        self._calls: CallsTold | None = None
        self._access_keys: AccessKeys | None = None
        self._tls = _tls(settings, serves)
        self.server = Server(
            settings.listen,
            reflection=settings.reflection,
            default_deadline=settings.default_deadline,
            authenticate=self.tokens.verify,
            resolve=self._resolve,
            revocations=self.revocations,
            limits=self.limits,
            tally=self._tally,
            metrics=self.metrics,
            tracing=tracing,
            tls=self._tls,
            trusted_proxies=settings.trusted_proxies,
            connection_age=settings.connection_age,
            # Nobody can take over from a process that holds its documents alone.
            notice=0.0 if self.exclusive else _NOTICE,
            clock=clock,
        )
        self.server.bind()
        self.server.add(EVENTS_DESCRIPTOR.services_by_name["EventsService"], self._events)
        self.server.add(INTEGRITY_DESCRIPTOR.services_by_name["IntegrityService"], self._integrity)
        self.server.add(MIGRATIONS_DESCRIPTOR.services_by_name["MigrationsService"], self._migrations)
        self.server.add(PERSONAL_DATA_DESCRIPTOR.services_by_name["PersonalDataService"], self._personal_data)
        self._background = Background()

    async def documents(
        self,
        service: str,
        specs: Sequence[CollectionSpec[Any]],
        *,
        migrations: Migrations | None = None,
        rewriting: Rewriting = untold,
        expiring: Sequence[CollectionSpec[Any]] = (),
    ) -> Documents:
        """Opens the service's store with its collections; closed when the process ends.

        With its migrations, documents are read as of this version, and `rewriting` is told of each that a migration
        rewrites, in its unit. Without, they are as they are stored. Those of `expiring` are removed after their
        `expires_at`.
        """
        held = (*specs, *SYSTEM_COLLECTIONS)
        slow_ms = self.settings.slow_query * 1000
        store = await open_store(
            self.settings.store_of(service),
            service,
            held,
            clock=self.clock,
            slow_ms=slow_ms,
            measured=lambda metered: self._stores.add(service, metered.snapshot),
            tracing=self._tracing,
        )
        self.stack.push_async_callback(store.close)
        page_tokens = PageTokens(self.keys.derive(f"pages.{service}"))
        seal = RequestSeal(self.keys.derive(f"requests.{service}"))
        documents = Documents(store, self.clock, page_tokens, seal)
        if migrations is not None:
            self._add_migrations(documents, migrations, rewriting)
            documents = Documents(migrations.upgraded(store), self.clock, page_tokens, seal)
        self._events.add(service, documents)
        self.background(Retention(documents, expiring).run)
        return documents

    def references(self, service: str, documents: Documents, references: References) -> None:
        """Has the service's documents checked by what they refer to."""
        self._integrity.add(service, documents, references)

    def personal_data(self, service: str, documents: Documents, specs: Sequence[PersonalSpec]) -> None:
        """Has what the service holds of a person given to their export."""
        self._personal_data.add(service, documents, specs)

    def answers(self, kind: str, seconds: int) -> Answers:
        """The answers to a kind of request, remembered for some seconds at most where this process has a cache."""
        return Answers(self.cache, kind, seconds, Lookups(self.metrics, kind))

    def channels(self, service: str) -> Channels:
        """Stubs of the other services, for calls in the name of `service`; one that is served here is called here."""
        here = self.server.address
        addresses = {name: here if name in self._serves else self.settings.address_of(name) for name in SERVICES}
        channels = Channels(addresses, service, self.tokens, tls=self._tls, tracing=self._tracing, clock=self.clock)
        self.stack.push_async_callback(channels.close)
        return channels

    def outbox(self, service: str, documents: Documents, completions: Mapping[str, Completion] | None = None) -> Outbox:
        """The service's outgoing events, redelivered while the process runs and given to consumers that ask.

        In health, `llmchat.events.{service}` is NOT_SERVING while one of them is parked.
        """
        outbox = Outbox(
            service,
            documents,
            self.bus,
            replica=self.replica,
            interval=self.settings.redelivery_interval,
            completions=completions,
            failpoints=self.failpoints,
        )
        self._events.add_outbox(service, outbox)
        self.background(outbox.run)
        if self._calls is None:
            # One of the process's services tells for all of them.
            self._calls = CallsTold(self._tally, documents, outbox)
            self.background(self._calls.run)

        async def tell(unsettled: int, parked: int) -> None:
            await self.server.report(f"llmchat.events.{service}", healthy=not parked)
            self.metrics.events_waiting.labels(service, "unsettled").set(unsettled)
            self.metrics.events_waiting.labels(service, "parked").set(parked)

        self.background(partial(watch_events, documents, self.settings.redelivery_interval, tell))
        return outbox

    def consume(
        self,
        consumer: str,
        documents: Documents,
        channels: Channels,
        handlers: Mapping[str, Handler],
        gathered: Mapping[str, Gathered] | None = None,
    ) -> None:
        """Handles the service's incoming events while the process runs: by `gathered`, many of a type at once."""
        owners = {owner for type in (*handlers, *(gathered or {})) for owner in EVENTS[type].owners}
        stubs = {owner: channels.stub(owner, EventsServiceStub) for owner in owners}

        async def pull(request: PullEventsRequest) -> PullEventsResponse:
            return await stubs[request.owner].PullEvents(request)

        inbox = Inbox(
            consumer,
            documents,
            self.bus,
            handlers,
            pull,
            replica=self.replica,
            gathered=gathered,
            interval=self.settings.pull_interval,
            lease_seconds=self.settings.inbox_lease,
            exclusive=self.exclusive,
            failpoints=self.failpoints,
            metrics=self.metrics,
            tracing=self._tracing,
        )
        self.background(inbox.run)

    def background(self, work: Work) -> None:
        """Runs `work` from the moment the server serves until the process stops."""
        self._background.add(work)

    async def connect(self) -> None:
        """Learns who is out and whose access keys are from the users service, the configuration from operations.

        Raises:
            Precondition: one of them is neither served here nor has an address.
        """
        channels = self.channels(min(self._serves.intersection(SERVICES)))
        access = channels.stub("users", AccessServiceStub)
        self._access_keys = AccessKeys(access, self.revocations, self.clock)
        followed: dict[str, Followed] = {
            "users": FollowedRevocations(self.revocations, access),
            "operations": FollowedConfig(self.config, channels.stub("operations", OperationsServiceStub)),
        }
        feeds = {owner: Feed(one, self.bus, self.settings.pull_interval) for owner, one in followed.items()}
        await asyncio.gather(*(feed.look_first() for owner, feed in feeds.items() if owner not in self._serves))
        for feed in feeds.values():
            self.background(feed.run)

    async def start(self, *, works: bool = True) -> None:
        """Serves, then starts the background work, if it is to do any.

        Raises:
            Unavailable: the address is taken.
        """
        await self.server.start()
        if works:
            self._background.start()

    async def stop(self) -> None:
        """Tells streams to resume elsewhere, lets running calls end, then ends the background work."""
        await self.server.stop(self.settings.stop_grace)
        if self._calls is not None:
            await self._calls.tell()
        await self._background.stop()

    @property
    def runners(self) -> list[Runner]:
        """What runs the migrations of each service that is served here."""
        return self._migrations.runners

    async def require_migrated(self) -> None:
        """Returns where the process may start with what is pending.

        Raises:
            Precondition: something is, and LLMCHAT_MIGRATE is `check`.
        """
        await require_migrated(self._migrations.runners, self._migrating)

    @property
    def _migrating(self) -> Mode:
        return self.settings.migrate or ("up" if self.exclusive else "off")

    def _add_migrations(self, documents: Documents, migrations: Migrations, rewriting: Rewriting) -> None:
        runner = Runner(
            documents,
            migrations,
            holder=self.replica,
            exclusive=self.exclusive,
            lease_seconds=self.settings.migration_lease,
            rewriting=rewriting,
        )
        self._migrations.add(runner)
        if self._migrating == "up" and migrations.numbered:
            self.background(partial(migrate, runner, self.replica))

    async def _resolve(self, secret: str) -> Verified:
        if self._access_keys is None:
            raise Unavailable("this process does not know access keys yet")
        return await self._access_keys.resolve(secret)


def _tls(settings: Settings, serves: Collection[str]) -> Tls | None:
    files = (settings.tls_certificate, settings.tls_key, settings.tls_ca)
    if not any(files):
        return None
    tls = Tls(*files)
    tls.require_naming(serves)
    return tls
