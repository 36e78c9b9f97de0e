"""Puts a Realtime Database's rules in place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from libs.common.errors import Unavailable
from libs.common.store.port import CollectionSpec
from libs.common.store.rtdb.address import Address
from libs.common.store.rtdb.client import Client, Refused
from libs.common.store.rtdb.rules import database_rules


async def deploy_rules(
    url: str,
    services: Mapping[str, Iterable[CollectionSpec[Any]]],
    readable: Mapping[tuple[str, str], str] | None = None,
) -> None:
    """Makes the generated rules those of the database, in place of all that it has: it is for these services alone.

    Args:
        url: the stores' URL.
        services: what each of them keeps there.
        readable: see `database_rules`.

    Raises:
        Invalid: the URL or the credentials are malformed.
        Unavailable: the database cannot be reached, or the credentials do not suffice.
    """
    address = Address.parse(url)
    client = Client.open(address, uid=None)
    try:
        await client.put_rules(database_rules(address.path, services, readable))
    except Refused:
        raise Unavailable(f"{address}: the credentials may not deploy rules", retry_after=None) from None
    finally:
        await client.close()
