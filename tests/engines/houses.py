"""A part of a running engine that has room for a whole house: its services have the names that they always have."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit, urlunsplit
from uuid import uuid4

import psycopg

from tests.engines.rtdb import rules
from tests.standins.rtdb_server import RtdbServer


def own_url(url: str) -> str:
    """The URL of stores that nobody else uses, in the engine at `url`; what it needs there is made."""
    name, parts = f"house{uuid4().hex[:12]}", urlsplit(url)
    match parts.scheme:
        case "postgresql":
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(f'CREATE DATABASE "{name}"'.encode())
        case "rtdb":
            # An emulator has as many databases as are named; in a real one there is only one to use.
            if "ns=" not in parts.query:
                return url
            RtdbServer(parts.netloc).deploy(name, rules())
            return urlunsplit(parts._replace(query=urlencode({"ns": name})))
    return urlunsplit(parts._replace(path=f"/{name}"))
