"""Where a conformance test keeps its documents: an engine, and in it a service of the test's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from libs.common.clock import wall_clock
from libs.common.store.decorators.journaled import Journaled
from libs.common.store.open import open_engine
from libs.common.store.port import CollectionSpec, Store
from tests.conformance.specimens import SPECS
from tests.engines.all import SERVED
from tests.engines.running import Engines

_JOURNALED = " journaled"
DURABLE = ["sqlite", "sqlite journaled", *SERVED]
PROVIDERS = ["memory", "memory journaled", *DURABLE]


@dataclass(frozen=True, slots=True)
class Place:
    """As text, for the command lines of processes that open the same: `URL SERVICE` or `URL SERVICE journaled`."""

    url: str
    service: str
    journaled: bool = False

    @classmethod
    def of(cls, provider: str, folder: Path, engines: Engines) -> Place:
        """A new and empty place of one of `PROVIDERS`; files are in the folder, which no other place has."""
        engine = provider.removesuffix(_JOURNALED)
        journaled = engine != provider
        match engine:
            case "memory":
                return cls("memory://", "store", journaled)
            case "sqlite":
                return cls(f"sqlite:///{folder}", "store", journaled)
        return cls(engines(engine).url, f"s{uuid4().hex[:12]}", journaled)

    @classmethod
    def parse(cls, text: str) -> Place:
        """The place that `str` wrote."""
        url, service, *journaled = text.split(" ")
        return cls(url, service, bool(journaled))

    def __str__(self) -> str:
        return f"{self.url} {self.service}{_JOURNALED if self.journaled else ''}"

    async def open(self, specs: Sequence[CollectionSpec[Any]] = SPECS) -> Store:
        """A store on what the place already holds."""
        store = await open_engine(self.url, self.service, specs)
        return Journaled(store, specs, wall_clock) if self.journaled else store
