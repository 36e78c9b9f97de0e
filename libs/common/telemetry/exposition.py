"""Where Prometheus reads a process's metrics: HTTP, in a thread of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server

from libs.common.errors import Invalid, Unavailable


@contextmanager
def exposed(registry: CollectorRegistry, listen: str) -> Iterator[str]:
    """Serves `GET /metrics` at `HOST:PORT` while the context is open; gives the address. Port 0 takes a free one.

    Raises:
        Invalid: the address is malformed.
        Unavailable: it is taken.
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        raise Invalid(f"LLMCHAT_METRICS_LISTEN: {listen!r} is not HOST:PORT")
    try:
        server, thread = start_http_server(int(port), host.strip("[]"), registry)
    except OSError as error:
        raise Unavailable(f"cannot listen on {listen}: {error.strerror}", reason="ADDRESS_IN_USE") from error
    try:
        yield f"{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
