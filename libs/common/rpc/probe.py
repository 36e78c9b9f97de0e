"""`python -m libs.common.rpc.probe`: whether the server of this container serves, for the container's health check.

It reads the server's own settings from the environment: the port of `LLMCHAT_LISTEN`, and the files for TLS.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from libs.common.errors import Invalid
from libs.common.rpc.tls import Tls

# Seconds.
_PATIENCE = 8.0


def fault(environment: Mapping[str, str]) -> str:
    """What is wrong with the server that was started with these settings; empty where it serves."""
    try:
        tls = Tls.of(environment)
    except Invalid as error:
        return error.text
    address = f"127.0.0.1:{environment.get('LLMCHAT_LISTEN', '').rpartition(':')[2] or 50051}"
    with _channel(address, tls) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=_PATIENCE)
        except grpc.RpcError as error:
            return f"{address}: {error.code().name}: {error.details()}"
    if answer.status == health_pb2.HealthCheckResponse.SERVING:
        return ""
    return f"{address}: {health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)}"


def _channel(address: str, tls: Tls | None) -> grpc.Channel:
    if tls is None:
        return grpc.insecure_channel(address)
    # Which services are served here is not known, but the certificate names them.
    named = [("grpc.default_authority", name) for name in sorted(tls.names)[:1]]
    return grpc.secure_channel(address, tls.channel_credentials(), options=named)


if __name__ == "__main__":
    sys.exit(fault(os.environ) or 0)
