"""Whether someone serves at a place."""

from __future__ import annotations

import time
from collections.abc import Callable

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from libs.client.backoff import Backoff
from libs.common.rpc.targets import open_channel
from libs.common.rpc.tls import Tls

# No policy of replicas: the first that answers is asked, and what it says is the answer.
_OPTIONS = (("grpc.service_config", "{}"), ("grpc.max_reconnect_backoff_ms", 200))


async def is_serving(
    addresses: str, service: str, patience: float, *, tls: Tls | None, hopeless: Callable[[], bool] = lambda: False
) -> bool:
    """Asks until the answer is SERVING; False after `patience` seconds, or as soon as it is `hopeless`.

    Of several addresses, the first that answers is asked.
    """
    backoff = Backoff(patience, longest=0.2)
    until = time.monotonic() + patience
    async with open_channel(addresses, service, tls, _OPTIONS) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        while not hopeless():
            try:
                left = max(0.001, until - time.monotonic())
                answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=left)
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return True
            except grpc.aio.AioRpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                    return False
            if not await backoff.pause():
                return False
    return False
