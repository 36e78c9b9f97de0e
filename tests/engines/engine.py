"""The engines that tests run against: what has to be there for each, and where its documents are kept."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Served:
    """A running engine: the URL of its stores, and what it is, with its version: `PostgreSQL 15.18 of this machine`."""

    url: str
    what: str


# Serves until the context is left; the folder is the engine's own.
Serve = Callable[[Path], AbstractContextManager[Served]]


class Container(Protocol):
    """Serves in a container, where there is what that takes."""

    def missing(self) -> str: ...

    def serve(self) -> AbstractContextManager[Served]: ...


@dataclass(frozen=True, slots=True)
class Engine:
    """One kind of store engine.

    `name` says "stand-in" where one is served. `variable` is the environment variable by which a real one is given:
    the tests then run against that, and nothing is started. Else one is started, in a container where that is possible.
    `missing` says what is not there to start one on this machine, or nothing.
    """

    name: str
    variable: str
    missing: Callable[[], str]
    serve: Serve
    given: Callable[[], Served | None] = field(default=lambda: None)
    container: Container | None = None

    def served_already(self) -> Served | None:
        """What the environment gives, if it does."""
        url = os.environ.get(self.variable, "")
        return Served(url, f"the one at {self.variable}") if url else self.given()

    def not_run(self) -> str:
        """Why nothing runs against this engine; empty where something does."""
        if self.served_already() is not None:
            return ""
        missing = [source for source in (self._no_container(), self.missing()) if source is not None]
        return "; ".join([*missing, f"{self.variable} is not set"]) if all(missing) else ""

    def started(self, folder: Path) -> AbstractContextManager[Served]:
        """One that serves until the context is left."""
        if self.container is not None and not self.container.missing():
            return self.container.serve()
        return self.serve(folder)

    def _no_container(self) -> str | None:
        return None if self.container is None else self.container.missing()
