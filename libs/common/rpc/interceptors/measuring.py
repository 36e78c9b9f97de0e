"""How long calls take and how they end, by method."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from grpc import StatusCode, aio
from prometheus_client import Counter, Histogram

from libs.common.rpc.interceptors.errors import Context
from libs.common.rpc.method import Method
from libs.common.telemetry.metrics import Metrics

# What ends otherwise than by an answer or a refusal was cancelled.
CANCELLED = StatusCode.CANCELLED.name
_NAMES = {code.value[0]: code.name for code in StatusCode}


class Measured:
    """The measures of one method; what they are kept in is looked up once for each way in which a call may end."""

    def __init__(self, metrics: Metrics, method: Method) -> None:
        self._method = method.path.lstrip("/")
        self._metrics = metrics
        self._seconds: dict[str, Histogram] = {}
        self._ended: dict[str, Counter] = {}
        if method.server_streaming or method.client_streaming:
            self._open = metrics.rpc_streams_open.labels(self._method)
            self.message = metrics.rpc_stream_messages.labels(self._method).inc

    @contextmanager
    def call(self, context: Context) -> Iterator[None]:
        """Around a call with one answer."""
        began, code = time.perf_counter(), CANCELLED
        try:
            yield
            code = code_of(context)
        except aio.AbortError:
            code = code_of(context)
            raise
        finally:
            took = time.perf_counter() - began
            seconds = self._seconds.get(code)
            if seconds is None:
                seconds = self._seconds[code] = self._metrics.rpc_seconds.labels(self._method, code)
            seconds.observe(took)

    @contextmanager
    def stream(self, context: Context) -> Iterator[None]:
        """Around a stream."""
        self._open.inc()
        code = CANCELLED
        try:
            yield
            code = code_of(context)
        except aio.AbortError:
            code = code_of(context)
            raise
        finally:
            self._open.dec()
            ended = self._ended.get(code)
            if ended is None:
                ended = self._ended[code] = self._metrics.rpc_streams.labels(self._method, code)
            ended.inc()


def code_of(context: Context) -> str:
    """The name of the status that a call ends with."""
    code: object = context.code()
    if isinstance(code, StatusCode):
        return code.name
    return _NAMES.get(code, "OK") if isinstance(code, int) else "OK"
