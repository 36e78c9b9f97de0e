"""A bus that counts what goes through it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from libs.common.events.bus import Bus, Delivery, Gap, Pulse, Sink
from libs.common.telemetry.metrics import Metrics


class MeteredBus:
    """A `Bus` that measures another."""

    def __init__(self, bus: Bus, metrics: Metrics) -> None:
        self._bus = bus
        self._metrics = metrics

    def publish(self, channel: str, payload: bytes) -> None:
        """See `Bus.publish`."""
        self._metrics.bus_published.inc()
        self._bus.publish(channel, payload)

    def pulse(self) -> Pulse:
        """See `Bus.pulse`."""
        return self._bus.pulse()

    def subscribe(self, sink: Sink, *channels: str) -> AbstractAsyncContextManager[None]:
        """See `Bus.subscribe`."""
        delivered, gaps = self._metrics.bus_delivered, self._metrics.bus_gaps

        def count(item: Delivery | Gap) -> None:
            (delivered if isinstance(item, Delivery) else gaps).inc()
            sink(item)

        return self._bus.subscribe(count, *channels)
