"""Opens a service's store by its URL: the one place that chooses an engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from libs.common.clock import Clock, wall_clock
from libs.common.errors import Invalid, Unavailable
from libs.common.store.decorators.journaled import JOURNAL, Journaled
from libs.common.store.decorators.metered import Metered
from libs.common.store.decorators.traced import Traced
from libs.common.store.memory import MemoryStore
from libs.common.store.port import CollectionSpec, Store
from libs.common.store.sqlite.store import SqliteStore
from libs.common.telemetry.tracing import Tracing

_MEMORY = "memory://"
_SQLITE = "sqlite:///"


class _Opens(Protocol):
    async def open(self, url: str, service: str, specs: Sequence[CollectionSpec[Any]]) -> Store: ...


@dataclass(frozen=True, slots=True)
class _Engine:
    """An engine whose driver is imported when a URL asks for it: where its store is, and what has to be installed."""

    module: str
    store: str
    extra: str

    def load(self) -> _Opens:
        try:
            opens: _Opens = getattr(import_module(f"libs.common.store.{self.module}"), self.store)
        except ModuleNotFoundError as error:
            text = f"{error.name} is not installed: pip install 'llmchat[{self.extra}]'"
            raise Invalid(text, reason="DRIVER_MISSING") from error
        return opens


_ENGINES = {
    "postgresql": _Engine("postgres.store", "PostgresStore", "postgres"),
    "mysql": _Engine("mysql.store", "MysqlStore", "mysql"),
    "mongodb": _Engine("mongodb.store", "MongoStore", "mongodb"),
    "rtdb": _Engine("rtdb.store", "RtdbStore", "firebase"),
    "firestore": _Engine("firestore.store", "FirestoreStore", "firebase"),
}


async def open_store(
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

    Args:
        url: where the documents are kept, see `open_engine`.
        service: the service's name.
        specs: every collection that the service owns.
        clock: milliseconds of the epoch, for the journal.
        slow_ms: operations that take this many milliseconds or more are logged.
        measured: is given what measures the store.
        tracing: what makes spans of its calls.

    Raises:
        Invalid: no engine serves the URL, it is malformed, or the engine's driver is not installed.
        Unavailable: the engine cannot be reached or opened.
        ValueError: an index names a field that its message does not have.
    """
    held = [*specs, JOURNAL]
    metered = Metered(await open_engine(url, service, held), slow_ms)
    if measured is not None:
        measured(metered)
    return Journaled(metered if tracing is None else Traced(metered, service, tracing), held, clock)


async def open_engine(url: str, service: str, specs: Sequence[CollectionSpec[Any]]) -> Store:
    """The engine's own store, with nothing around it; tables, columns and indexes that are missing are made.

    - `memory://`: in this process, gone at the end.
    - `sqlite:///FOLDER`: the file `FOLDER/{service}.db`. What follows the three slashes is the path as it stands:
      `sqlite:///data` and `sqlite:///./data` are relative, `sqlite:////var/lib/llmchat` is absolute. A folder that does
      not exist is made, for its owner alone.
    - `postgresql://USER:PASSWORD@HOST:PORT/DATABASE?…`: the schema `{service}` of that database, which exists.
    - `mysql://USER:PASSWORD@HOST:PORT/DATABASE?…`: the database `{DATABASE}_{service}`, which is made.
    - `mongodb://…/DATABASE?…`: the database `{DATABASE}_{service}` of a replica set.
    - `rtdb://HOST/PATH?…`: `PATH/{service}` in a Realtime Database.
    - `firestore://PROJECT/DATABASE?…`: the collections `{service}.{collection}` of a Firestore database.

    Raises:
        Invalid, Unavailable, ValueError: as `open_store`. No text holds a password.
    """
    if url == _MEMORY:
        return MemoryStore(specs)
    folder = folder_of(url)
    if folder is not None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"{folder}: {error.strerror}", retry_after=None) from error
        return SqliteStore.open(folder / f"{service}.db", specs)
    scheme, separator, _ = url.partition("://")
    engine = _ENGINES.get(scheme) if separator else None
    if engine is None:
        known = ", ".join([_MEMORY, f"{_SQLITE}FOLDER", *(f"{name}://…" for name in _ENGINES)])
        raise Invalid(f"no store for {scheme.partition(':')[0]!r} URLs: known are {known}", reason="UNKNOWN_STORE")
    return await engine.load().open(url, service, specs)


def folder_of(url: str) -> Path | None:
    """The folder that a URL keeps its documents in; None where they are kept otherwise."""
    return Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) and len(url) > len(_SQLITE) else None


def is_held_alone(url: str) -> bool:
    """Whether a process can have the documents for itself: those in its memory, and in a folder that it holds."""
    return url == _MEMORY or folder_of(url) is not None
