"""What a process measures of itself, as Prometheus reads it. No label holds the id of a person or a document."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# Seconds: around what a call takes, with the 100 ms that dashboards look at.
_RPC = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_CASCADE = (0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120, 600)
_ANSWER = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """The instruments of one process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.rpc_seconds = Histogram(
            "llmchat_rpc_seconds",
            "Calls with one answer, from their arrival to it.",
            ("method", "code"),
            buckets=_RPC,
            registry=registry,
        )
        self.rpc_streams = Counter(
            "llmchat_rpc_streams", "Streams that have ended.", ("method", "code"), registry=registry
        )
        self.rpc_streams_open = Gauge("llmchat_rpc_streams_open", "Streams now.", ("method",), registry=registry)
        self.rpc_stream_messages = Counter(
            "llmchat_rpc_stream_messages", "Messages sent on streams.", ("method",), registry=registry
        )
        self.bus_published = Counter("llmchat_bus_published", "Messages handed to the bus.", registry=registry)
        self.bus_delivered = Counter("llmchat_bus_delivered", "Messages that the bus brought.", registry=registry)
        self.bus_gaps = Counter("llmchat_bus_gaps", "Times that some may have been lost.", registry=registry)
        self.events_handled = Counter(
            "llmchat_events_handled",
            "Attempts at an event's effect: done, failed, or put off.",
            ("consumer", "type", "outcome"),
            registry=registry,
        )
        self.cascade_seconds = Histogram(
            "llmchat_cascade_seconds",
            "From an event's change to its whole effect.",
            ("consumer", "type"),
            buckets=_CASCADE,
            registry=registry,
        )
        self.events_waiting = Gauge(
            "llmchat_events_waiting",
            "Events of a service's outbox that are unsettled, and those that are parked.",
            ("service", "state"),
            registry=registry,
        )
        self.provider_answers = Counter(
            "llmchat_provider_answers", "Answers asked of providers.", ("provider", "outcome"), registry=registry
        )
        self.provider_first_token_seconds = Histogram(
            "llmchat_provider_first_token_seconds",
            "From the question to the answer's first piece.",
            ("provider",),
            buckets=_ANSWER,
            registry=registry,
        )
        self.provider_seconds = Histogram(
            "llmchat_provider_seconds",
            "From the question to the answer's end.",
            ("provider",),
            buckets=_ANSWER,
            registry=registry,
        )
        self.provider_tokens = Counter(
            "llmchat_provider_tokens",
            "Tokens by the providers' own count.",
            ("provider", "direction"),
            registry=registry,
        )
        self.cache_lookups = Counter(
            "llmchat_cache_lookups", "Looks into a cache, by what they found.", ("cache", "found"), registry=registry
        )
