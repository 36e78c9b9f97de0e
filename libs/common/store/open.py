"""Opens a service's store by its URL: the one place that chooses a provider."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from libs.common.clock import Clock, wall_clock
from libs.common.errors import Invalid, Unavailable
from libs.common.store.decorators.journaled import JOURNAL, Journaled
from libs.common.store.decorators.metered import Metered
from libs.common.store.decorators.traced import Traced
from libs.common.store.memory import MemoryStore
from libs.common.store.port import CollectionSpec, Store
from libs.common.store.sqlite import SqliteStore
from libs.common.telemetry.tracing import Tracing

_MEMORY = "memory://"
_SQLITE = "sqlite:///"


def open_store(
    url: str,
    service: str,
    specs: Sequence[CollectionSpec[Any]],
    *,
    clock: Clock = wall_clock,
    slow_ms: float = 50.0,
    measured: Callable[[Metered], None] | None = None,
    tracing: Tracing | None = None,
) -> Store:
    """A service's store, journaled and metered. The journal's own collection is added to `specs`.

    - `memory://`: in this process, gone at the end.
    - `sqlite:///FOLDER`: the file `FOLDER/{service}.db`. What follows the three slashes is the path as it stands:
      `sqlite:///data` and `sqlite:///./data` are relative, `sqlite:////var/lib/llmchat` is absolute. A folder that does
      not exist is made, for its owner alone.

    Args:
        url: where the documents are kept.
        service: the service's name.
        specs: every collection that the service owns.
        clock: milliseconds of the epoch, for the journal.
        slow_ms: operations that take this many milliseconds or more are logged.
        measured: is given what measures the store.
        tracing: what makes spans of its calls.

    Raises:
        Invalid: no provider serves the URL.
        Unavailable: the provider cannot open it.
        ValueError: an index names a field that its message does not have.
    """
    held = [*specs, JOURNAL]
    metered = Metered(_provider(url, service, held), slow_ms)
    if measured is not None:
        measured(metered)
    return Journaled(metered if tracing is None else Traced(metered, service, tracing), held, clock)


def folder_of(url: str) -> Path | None:
    """The folder that a URL keeps its documents in; None where they are kept otherwise."""
    return Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) and len(url) > len(_SQLITE) else None


def _provider(url: str, service: str, specs: Sequence[CollectionSpec[Any]]) -> Store:
    if url == _MEMORY:
        return MemoryStore(specs)
    folder = folder_of(url)
    if folder is not None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"{folder}: {error.strerror}", retry_after=None) from error
        return SqliteStore.open(folder / f"{service}.db", specs)
    scheme = url.partition(":")[0]
    raise Invalid(f"no store for {scheme!r} URLs: known are {_MEMORY} and {_SQLITE}FOLDER", reason="UNKNOWN_STORE")
