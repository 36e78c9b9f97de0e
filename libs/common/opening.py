"""Opens a process: from its settings, what it is made of, and its services in it."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from ulid import ULID

from libs.common.access.open import open_counts
from libs.common.caching.open import open_cache
from libs.common.clock import Clock, wall_clock
from libs.common.crypto.keys import KeyRing
from libs.common.errors import Invalid
from libs.common.events.open import is_shared, open_bus
from libs.common.folder import hold_folder
from libs.common.process import Bootstrap, Process
from libs.common.settings import SERVICES, Settings
from libs.common.store.open import folder_of
from libs.common.telemetry.exposition import exposed
from libs.common.telemetry.tracing import open_tracing

_log = logging.getLogger(__name__)


@asynccontextmanager
async def open_process(
    settings: Settings, bootstraps: Mapping[str, Bootstrap], *, clock: Clock = wall_clock, works: bool = True
) -> AsyncIterator[Process]:
    """A process that serves the services that `bootstraps` wire, by their names, until the context is left.

    One that does not work answers calls and leaves to others what goes on in the background.

    Raises:
        Unavailable: the address or the data folder is in use, or the store does not open.
        Invalid: a setting is malformed.
        Precondition: a service calls another one that is neither served here nor has an address; or migrations are
            pending, and LLMCHAT_MIGRATE is `check`.
    """
    folders = sorted({folder for url in settings.stores_of(bootstraps) if (folder := folder_of(url))})
    async with AsyncExitStack() as stack:
        for folder in folders:
            stack.enter_context(hold_folder(folder, exclusive=not is_shared(settings.bus_url)))
        bus = await stack.enter_async_context(open_bus(settings.bus_url))
        counts = await stack.enter_async_context(open_counts(settings.bus_url))
        cache = await stack.enter_async_context(open_cache(settings.bus_url, shared=settings.shared_cache))
        replica = f"{socket.gethostname()}.{str(ULID()).lower()}"
        served = "+".join(bootstraps) if len(bootstraps) < len(SERVICES) else "embedded"
        traces = open_tracing(settings.otlp_endpoint, served, replica, settings.traced_part)
        process = Process(
            settings,
            bus,
            _keys(settings, folder_of(settings.store_url)),
            clock,
            stack,
            replica=replica,
            serves=bootstraps,
            counts=counts,
            cache=cache,
            tracing=await stack.enter_async_context(traces),
        )
        for bootstrap in bootstraps.values():
            await bootstrap(process)
        await process.require_migrated()
        await process.connect()
        if settings.metrics_listen:
            process.metrics_address = stack.enter_context(exposed(process.metrics.registry, settings.metrics_listen))
        stack.push_async_callback(process.stop)
        await process.start(works=works)
        if process.exclusive and not bootstraps.keys() >= set(SERVICES):
            _log.warning("without a shared bus (LLMCHAT_BUS_URL) the events of other processes come late")
        yield process


def _keys(settings: Settings, folder: Path | None) -> KeyRing:
    if settings.secret_key is not None:
        return KeyRing.parse(settings.secret_key.get_secret_value(), "LLMCHAT_SECRET_KEY")
    if folder:
        return KeyRing.load_or_create(folder / "secret.key")
    if is_shared(settings.bus_url):
        raise Invalid("LLMCHAT_SECRET_KEY is not set: processes that share a bus need the same one")
    if settings.store_url != "memory://":
        raise Invalid("LLMCHAT_SECRET_KEY is not set: documents that outlive the process need the same one next time")
    return KeyRing.generate()
