"""Where a client is, as far as that can be known: for limits of those who are not signed in."""

from __future__ import annotations

from collections.abc import Mapping

FORWARDED_FOR = "x-forwarded-for"


def client_address(peer: str, metadata: Mapping[str, str | bytes], trusted_proxies: int) -> str:
    """The address without its port.

    Args:
        peer: who is connected, as gRPC says it (`ipv4:192.0.2.1:50100`).
        metadata: of the call.
        trusted_proxies: how many proxies of our own stand before this server, each of which appends to
            `x-forwarded-for` whom it was called by. 0: the header is anyone's word and is not read.
    """
    if trusted_proxies:
        header = metadata.get(FORWARDED_FOR, "")
        hops = [hop.strip() for hop in header.split(",") if hop.strip()] if isinstance(header, str) else []
        if len(hops) >= trusted_proxies:
            return hops[-trusted_proxies][:100]
    kind, _, place = peer.partition(":")
    if kind == "ipv6":
        return place.replace("%5B", "[").replace("%5D", "]").rpartition(":")[0].strip("[]")
    return place.rpartition(":")[0] if kind == "ipv4" else peer
