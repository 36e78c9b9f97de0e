"""The bus between machines, as bad as its contract allows and worse: it loses, doubles, delays and reorders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from libs.common.events.bus import GAP, Delivery, Gap, Pulse, Sink
from tests.simulation.loop import OUTSIDE

if TYPE_CHECKING:
    from tests.simulation.node import Node
    from tests.simulation.simulation import Simulation


@dataclass(slots=True, eq=False)
class _Subscription:
    node: Node
    sink: Sink
    channels: tuple[str, ...]
    context: Context = field(default_factory=copy_context)
    # By publisher, when the last of what is under way arrives.
    latest: dict[str, float] = field(default_factory=dict)


class Wire:
    """What the machines' buses hang on: the place of a Redis."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._subscriptions: list[_Subscription] = []
        self.is_away = False

    def publish(self, node: Node, channel: str, payload: bytes) -> None:
        """Sends it to those who are subscribed now, as the weather is."""
        for subscription in self._subscriptions:
            if channel in subscription.channels:
                self._send(node, subscription, Delivery(channel, payload))

    def come_back(self) -> None:
        """Ends an outage: every subscriber finds out, in its time."""
        self.is_away = False
        for subscription in self._subscriptions:
            self._deliver_later(subscription, GAP, 10 * self._simulation.hop())

    def add(self, subscription: _Subscription) -> None:
        """What is published from here on reaches it."""
        self._subscriptions.append(subscription)

    def remove(self, subscription: _Subscription) -> None:
        """Nothing more reaches it."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    def remove_all(self, node: Node) -> None:
        """Forgets a machine that died."""
        self._subscriptions = [one for one in self._subscriptions if one.node is not node]

    def _send(self, node: Node, subscription: _Subscription, delivery: Delivery) -> None:
        simulation, weather = self._simulation, self._simulation.weather
        if self.is_away or simulation.chance(weather.bus_lost):
            # Of an outage all are told at its end.
            if not self.is_away and simulation.chance(weather.gap_told):
                self._deliver_later(subscription, GAP, simulation.hop())
            return
        for _ in range(2 if simulation.chance(weather.bus_doubled) else 1):
            delay = simulation.hop()
            if not weather.bus_reorders:
                arrival = max(simulation.loop.time() + delay, subscription.latest.get(node.name, 0.0))
                subscription.latest[node.name] = arrival
                delay = arrival - simulation.loop.time()
            self._deliver_later(subscription, delivery, delay)

    def _deliver_later(self, subscription: _Subscription, item: Delivery | Gap, delay: float) -> None:
        self._simulation.loop.call_later(delay, self._deliver, subscription, item, context=subscription.context)

    def _deliver(self, subscription: _Subscription, item: Delivery | Gap) -> None:
        if subscription in self._subscriptions:
            channel = item.channel if isinstance(item, Delivery) else "gap"
            self._simulation.trace.note("deliver", subscription.node.name, channel)
            subscription.sink(item)


class SimulatedBus:
    """A `Bus`: one machine's connection to the wire."""

    def __init__(self, simulation: Simulation, wire: Wire, node: Node) -> None:
        self._simulation = simulation
        self._wire = wire
        self._node = node

    def publish(self, channel: str, payload: bytes) -> None:
        """See `Bus.publish`."""
        self._simulation.loop.call_later(0, self._wire.publish, self._node, channel, payload, context=OUTSIDE)

    def pulse(self) -> Pulse:
        """See `Bus.pulse`."""
        return Pulse(is_shared=True, is_up=not self._wire.is_away)

    @asynccontextmanager
    async def subscribe(self, sink: Sink, *channels: str) -> AsyncIterator[None]:
        """See `Bus.subscribe`."""
        await asyncio.sleep(self._simulation.hop())
        subscription = _Subscription(self._node, sink, channels)
        self._wire.add(subscription)
        try:
            yield
        finally:
            self._wire.remove(subscription)
