"""Where a client is, as far as that can be known: for limits of those who are not signed in."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address

FORWARDED_FOR = "x-forwarded-for"

# Bits of an IPv6 address that one client has to itself, and may change with every call (RFC 6177, RFC 8981).
_OWN_BITS = 64
_MOST_CHARACTERS = 100


def client_address(peer: str, metadata: Mapping[str, str | bytes], trusted_proxies: int) -> str:
    """The address without its port; of IPv6 the network, whose 2^64 addresses are one client's.

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
            return _counted(hops[-trusted_proxies])
    kind, _, place = peer.partition(":")
    if kind in ("ipv4", "ipv6"):
        return _counted(place.replace("%5B", "[").replace("%5D", "]").rpartition(":")[0].strip("[]"))
    return peer


def _counted(address: str) -> str:
    """What is counted under one limit. A proxy's word that is no address is taken as it is."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:_MOST_CHARACTERS]
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> _OWN_BITS << _OWN_BITS)}/{_OWN_BITS}"
