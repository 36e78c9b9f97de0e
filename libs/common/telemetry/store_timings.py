"""What stores have measured of themselves, read when Prometheus asks: it costs their calls nothing more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import SummaryMetricFamily
from prometheus_client.registry import Collector

from libs.common.store.decorators.metered import Timing

Snapshot = Callable[[], Mapping[tuple[str, str], Timing]]


class StoreTimings(Collector):
    """The calls of each service's store by operation and collection: how many, and their seconds together."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._snapshots: dict[str, Snapshot] = {}
        registry.register(self)

    def add(self, service: str, snapshot: Snapshot) -> None:
        """Tells of a service's store from here on."""
        self._snapshots[service] = snapshot

    def collect(self) -> Iterator[SummaryMetricFamily]:
        """See `Collector.collect`."""
        family = SummaryMetricFamily(
            "llmchat_store_seconds", "Calls of a service's store.", labels=("service", "operation", "collection")
        )
        for service, snapshot in self._snapshots.items():
            for (operation, collection), timing in dict(snapshot()).items():
                family.add_metric((service, operation, collection), timing.count, timing.seconds)
        yield family
