"""A call as a span of its caller's trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from grpc import aio
from opentelemetry.trace import SpanKind

from libs.common.rpc.interceptors.errors import Context
from libs.common.rpc.interceptors.measuring import CANCELLED, code_of
from libs.common.rpc.interceptors.request_id import TRACEPARENT, accept_traceparent
from libs.common.rpc.method import Method
from libs.common.telemetry.tracing import Tracing


@contextmanager
def traced(tracing: Tracing, method: Method, metadata: dict[str, str | bytes], context: Context) -> Iterator[None]:
    """A span around the call; what it calls in turn finds the span in `metadata`, as if the caller had sent it."""
    attributes = {"rpc.system": "grpc", "rpc.service": method.service, "rpc.method": method.name}
    with tracing.span(method.path.lstrip("/"), SpanKind.SERVER, accept_traceparent(metadata), attributes) as span:
        metadata[TRACEPARENT] = span.traceparent
        code = CANCELLED
        try:
            yield
            code = code_of(context)
        except aio.AbortError:
            code = code_of(context)
            raise
        finally:
            span.tell("rpc.grpc.status", code)
            if code != "OK":
                span.fail(code)
