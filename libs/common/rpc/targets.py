"""How a service is reached that has one address or several: each call goes to a replica that serves."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import cast

import grpc
from grpc import aio

from libs.common.errors import Invalid, Unavailable
from libs.common.rpc.tls import Tls, name_of
from libs.common.rpc.tls_channel import TlsChannel

_SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    # A replica that reports NOT_SERVING is left before it refuses: what a stopping server refuses comes as CANCELLED,
    # which no retry policy may repeat.
    "healthCheckConfig": {"serviceName": ""},
    # A call that met a dying replica goes to another. Every change is known by its request_id, so a repeat is safe.
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.05s",
                "maxBackoff": "1s",
                "backoffMultiplier": 3,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
}

_OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    # Channels that share a connection start its one health check between them: gRPC's threads may meet it half made
    # (grpc_core::HealthProducer before its Start), which ends the process. So each channel has connections of its own.
    ("grpc.use_local_subchannel_pool", 1),
    # A replica that is back is found before the retries end; gRPC's own longest pause is two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 500),
    # New replicas behind a name are found when a connection ends, at most this often.
    ("grpc.dns_min_time_between_resolutions_ms", 5_000),
    # A peer that vanished or froze is found within 16 s, and its calls go to another. gRPC by itself waits a minute for
    # the answer to a ping, and sends no third one where no data goes. Our servers allow one in 10 s.
    ("grpc.keepalive_time_ms", 11_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
)

_LITERAL = ("ipv4:", "ipv6:", "unix:")


def open_channel(
    addresses: str, service: str, tls: Tls | None = None, options: Sequence[tuple[str, int | str]] = ()
) -> aio.Channel:
    """A channel to `service` at `addresses`, as `target_of` reads them; `options` go before the usual ones.

    With `tls` whoever answers there has to show a certificate that names the service.
    """
    given = {name for name, _ in options}
    usual = [(name, value) for name, value in _OPTIONS if name not in given]
    target = target_of(addresses)
    if tls is None:
        return aio.insecure_channel(target, options=(*options, *usual))
    named = ("grpc.default_authority", name_of(service))

    def connect(credentials: grpc.ChannelCredentials) -> aio.Channel:
        return aio.secure_channel(target, credentials, options=(*options, *usual, named))

    return cast("aio.Channel", TlsChannel(tls, connect))


def target_of(addresses: str) -> str:
    """The gRPC target of `HOST:PORT`, of several of them separated by commas, or of what is a gRPC target already.

    One host is looked up again and again, by gRPC, and may stand for several replicas. Hosts of a list are looked up
    here and now, once: names whose addresses change belong behind one name.

    Raises:
        Invalid: an address is malformed.
        Unavailable: a host of a list is not known.
    """
    if "://" in addresses or addresses.startswith(_LITERAL):
        return addresses
    places = [_split(address.strip()) for address in addresses.split(",")]
    if len(places) == 1:
        return addresses.strip()
    found = list(dict.fromkeys((ip, port) for host, port in places for ip in _look_up(host)))
    if all(ip.version == 4 for ip, _ in found):
        return "ipv4:" + ",".join(f"{ip}:{port}" for ip, port in found)
    # A gRPC target is of one family: an IPv4 address has a form in the other (RFC 4291, section 2.5.5.2).
    return "ipv6:" + ",".join(f"[::ffff:{ip}]:{port}" if ip.version == 4 else f"[{ip}]:{port}" for ip, port in found)


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not bare or not port.isdecimal() or not 0 < int(port) < 65536 or (":" in bare and host == bare):
        raise Invalid(f"{address!r} is not an address: HOST:PORT, with brackets around an IPv6 host")
    return bare, int(port)


def _look_up(host: str) -> list[IPv4Address | IPv6Address]:
    try:
        return [ip_address(host)]
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unavailable(f"the host {host!r} is not known: {error.strerror}", retry_after=None) from error
    return [ip_address(place[0]) for *_, place in found]
