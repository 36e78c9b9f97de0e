"""The gRPC server of a process: its services, health, reflection and an orderly end."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from libs.common import errors
from libs.common.clock import Clock, wall_clock
from libs.common.rpc.interceptors.identity import Authenticate, Identity, Resolve
from libs.common.rpc.interceptors.limits import Limits
from libs.common.rpc.interceptors.revocations import Revocations
from libs.common.rpc.interceptors.tally import Tally
from libs.common.rpc.interceptors.validation import Validation
from libs.common.rpc.method import Method, read_methods
from libs.common.rpc.pipeline import Pipeline
from libs.common.rpc.tls import Tls
from libs.common.telemetry.metrics import Metrics
from libs.common.telemetry.tracing import Tracing

_log = logging.getLogger(__name__)

_OPTIONS = (
    # A second server on a taken port would otherwise start silently and take half of its calls.
    ("grpc.so_reuseport", 0),
    # Holds what a stream buffers for a client that does not read to about 100 KB; with probing it grows to 5 MB.
    ("grpc.http2.bdp_probe", 0),
    # The soft limit refuses at random between the two, so they are the same.
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.absolute_max_metadata_size", 16 * 1024),
    # Finds followers that vanished without a word, and lets clients ask as often as every 10 s, idle or not.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
)


class Server:
    """Serves gRPC on one address.

    `on_stopping` callbacks run before calls are cut, so that streams can end by themselves.
    """

    def __init__(
        self,
        listen: str,
        *,
        reflection: bool,
        default_deadline: float,
        authenticate: Authenticate,
        resolve: Resolve,
        revocations: Revocations,
        limits: Limits,
        tally: Tally,
        metrics: Metrics | None = None,
        tracing: Tracing | None = None,
        tls: Tls | None = None,
        trusted_proxies: int = 0,
        connection_age: float | None = None,
        notice: float = 0.0,
        clock: Clock = wall_clock,
    ) -> None:
        """Args:
        listen: the address to bind (`127.0.0.1:7080`; port 0 takes a free one).
        reflection: whether clients may ask for the protos.
        default_deadline: seconds that a unary call may take when its client gave no deadline.
        authenticate: verifies an access token.
        resolve: finds out whom an access key stands for.
        revocations: who is out although their token has not expired.
        limits: how much a caller may ask.
        tally: counts the calls.
        metrics: what calls are measured in.
        tracing: what makes spans of them.
        tls: what is shown to clients and asked of them; None: nothing, in plain text.
        trusted_proxies: how many proxies of our own stand before this server; see `client_address`.
        connection_age: seconds, give or take a tenth, after which clients are asked to connect anew, and so to look for
            new replicas; calls under way end where they are. None: never.
        notice: seconds between the word that this server stops and the refusal of calls: in them its clients leave for
            another replica.
        clock: tells when a verified token has expired.
        """
        self.on_stopping: list[Callable[[], Awaitable[None]]] = []
        self._listen = listen
        self._reflection = reflection
        self._tls = tls
        self._options = _OPTIONS if connection_age is None else (*_OPTIONS, _age(connection_age))
        self._notice = notice
        identity = Identity(authenticate, resolve, revocations, clock)
        certified = tls is not None and tls.is_mutual
        self._pipeline = Pipeline(
            identity,
            revocations,
            limits,
            Validation(),
            tally,
            metrics or Metrics(),
            tracing,
            default_deadline,
            trusted_proxies,
            certified,
        )
        self._handlers: list[grpc.GenericRpcHandler] = []
        self._services: list[str] = []
        self._health = health.aio.HealthServicer()
        self._server: aio.Server | None = None
        self._bound: aio.Server | None = None
        self._port = 0

    def bind(self) -> aio.Server:
        """Takes the address, so that what is wired before `start` may know its port.

        Raises:
            Unavailable: the address is taken or cannot be bound.
        """
        if self._bound is None:
            server = aio.server(options=self._options)
            try:
                if self._tls is None:
                    self._port = server.add_insecure_port(self._listen)
                else:
                    self._port = server.add_secure_port(self._listen, self._tls.server_credentials())
            except RuntimeError as error:
                text = f"cannot listen on {self._listen}: address already in use or not of this machine"
                raise errors.Unavailable(text, reason="ADDRESS_IN_USE", retry_after=None) from error
            self._bound = server
        return self._bound

    @property
    def address(self) -> str:
        """Where clients on this machine reach the server, once it is bound."""
        host = self._listen.rpartition(":")[0]
        return f"{'127.0.0.1' if host in ('0.0.0.0', '[::]') else host}:{self._port}"  # noqa: S104 # compared, not bound

    def add(self, service: ServiceDescriptor, servicer: object) -> None:
        """Serves every method of `service` by the method of `servicer` with that name.

        A unary one is `async def Name(self, request, call) -> Answer`; a streaming one is an async generator function,
        or returns an async generator; one that takes a stream is `async def Name(self, requests, call) -> Answer`.

        Raises:
            TypeError: a method declares no policy, or `servicer` does not implement it in its form.
        """
        handlers = {method.name: self._handler(method, servicer) for method in read_methods(service)}
        self.add_generic(grpc.method_handlers_generic_handler(service.full_name, handlers))
        self._services.append(service.full_name)

    def add_generic(self, handler: grpc.GenericRpcHandler) -> None:
        """Serves `handler` as it is: none of the interceptors apply to it."""
        self._handlers.append(handler)

    async def start(self) -> int:
        """Serves what was added, on the address that `bind` took or takes now; gives the port.

        Raises:
            Unavailable: the address is taken or cannot be bound.
        """
        server = self.bind()
        server.add_generic_rpc_handlers(tuple(self._handlers))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if self._reflection:
            names = (*self._services, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, server)
        await server.start()
        for name in self._services:
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        self._server = server
        return self._port

    async def report(self, name: str, *, healthy: bool) -> None:
        """Answers questions for the health of `name`, which need not be a service, until the server stops."""
        statuses = health_pb2.HealthCheckResponse
        await self._health.set(name, statuses.SERVING if healthy else statuses.NOT_SERVING)

    async def stop(self, grace: float) -> None:
        """Reports NOT_SERVING, gives notice, runs `on_stopping`, refuses new calls, cuts the rest after `grace` (s)."""
        if self._server is None:
            return
        await self._health.enter_graceful_shutdown()
        await asyncio.sleep(self._notice)
        for result in await asyncio.gather(*(tell() for tell in self.on_stopping), return_exceptions=True):
            if isinstance(result, BaseException):
                _log.error("a callback failed while the server was stopping", exc_info=result)
        await self._server.stop(grace)

    def _handler(self, method: Method, servicer: object) -> grpc.RpcMethodHandler[bytes, bytes]:
        if not method.declares_policy:
            raise TypeError(f"{method.path} declares no policy")
        serve = getattr(servicer, method.name, None)
        if serve is None or inspect.iscoroutinefunction(serve) == method.server_streaming:
            form = "an async generator function" if method.server_streaming else "an async function"
            raise TypeError(f"{type(servicer).__name__}.{method.name} must be {form}")
        if method.client_streaming:
            return self._pipeline.intake(method, serve)
        return self._pipeline.stream(method, serve) if method.server_streaming else self._pipeline.unary(method, serve)


def _age(seconds: float) -> tuple[str, int]:
    return ("grpc.max_connection_age_ms", int(seconds * 1000))
