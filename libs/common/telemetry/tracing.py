"""Traces of requests through all services: spans by OpenTelemetry, sent by OTLP to where they are kept.

A span's place in its trace travels as W3C `traceparent`, in the metadata of calls and in `Call.traceparent`; nothing is
kept in variables of the process. No span holds the id of a person or a document.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Protocol

from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from libs.common.errors import Invalid

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_TRACEPARENT = "traceparent"
_PROPAGATOR = TraceContextTextMapPropagator()
_FLUSH_MS = 2000


class Span(Protocol):
    """A span under way. `traceparent` is what its children are given."""

    traceparent: str

    def tell(self, name: str, value: str | int) -> None:
        """Notes an attribute."""
        ...

    def fail(self, reason: str) -> None:
        """Notes that what it measures has failed."""
        ...


class Tracing:
    """Makes the spans of one process."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    @contextmanager
    def span(
        self, name: str, kind: SpanKind, traceparent: str, attributes: Mapping[str, str | int] | None = None
    ) -> Iterator[Span]:
        """A span below `traceparent`, or the first of a trace where that is empty, while the context is open."""
        parent = _PROPAGATOR.extract({_TRACEPARENT: traceparent}) if traceparent else None
        # An exception's text may hold what no trace should: its reason is told by who knows it.
        with self._tracer.start_as_current_span(
            name, parent, kind, attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            yield _Span(span)


class _Span:
    def __init__(self, span: trace.Span) -> None:
        self._span = span
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier)
        self.traceparent = carrier.get(_TRACEPARENT, "")

    def tell(self, name: str, value: str | int) -> None:
        self._span.set_attribute(name, value)

    def fail(self, reason: str) -> None:
        self._span.set_status(StatusCode.ERROR, reason)


@asynccontextmanager
async def open_tracing(endpoint: str, service: str, replica: str, part: float) -> AsyncIterator[Tracing | None]:
    """Spans of a process, sent to an OTLP collector until the context is left; None where `endpoint` is empty.

    Args:
        endpoint: `http://HOST:PORT` or `https://…`, over gRPC.
        service: what the process serves.
        replica: names the process.
        part: of the traces that begin here, which part is kept: 0 to 1. What began elsewhere is kept as it was there.

    Raises:
        Invalid: the extra `traces` is not installed.
    """
    if not endpoint:
        yield None
        return
    provider = _provider(endpoint, service, replica, part)
    try:
        yield Tracing(provider.get_tracer("llmchat"))
    finally:
        # It waits for a collector that may be away.
        await asyncio.to_thread(provider.force_flush, _FLUSH_MS)
        await asyncio.to_thread(provider.shutdown)


def _provider(endpoint: str, service: str, replica: str, part: float) -> TracerProvider:
    # Half a second that only those wait who want it.
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
    except ImportError as error:
        raise Invalid("LLMCHAT_OTLP_ENDPOINT is set: install llmchat[traces]", reason="EXTRA_MISSING") from error
    resource = Resource.create({"service.name": f"llmchat-{service}", "service.instance.id": replica})
    provider = TracerProvider(sampler=ParentBasedTraceIdRatio(part), resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint, insecure=endpoint.startswith("http://"))))
    return provider
