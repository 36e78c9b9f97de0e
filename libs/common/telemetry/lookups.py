"""How often a cache is looked into, by what was found."""

from __future__ import annotations

from libs.common.telemetry.metrics import Metrics

# Where a value was found.
_FOUND = ("process", "shared", "nowhere")


class Lookups:
    """The looks into the cache `name`."""

    def __init__(self, metrics: Metrics, name: str) -> None:
        self._counters = {found: metrics.cache_lookups.labels(name, found) for found in _FOUND}

    def count(self, found: str) -> None:
        """Counts a look: its value came from the `process`, from a `shared` cache, or was found `nowhere`."""
        self._counters[found].inc()
