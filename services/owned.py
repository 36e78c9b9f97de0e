"""The collections of each service, for what looks at all of them from outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from libs.common.documents.system import SYSTEM_COLLECTIONS
from libs.common.store.decorators.journaled import JOURNAL
from libs.common.store.port import CollectionSpec
from services.catalog.collections import COLLECTIONS as CATALOG
from services.messages.collections import COLLECTIONS as MESSAGES
from services.operations.collections import COLLECTIONS as OPERATIONS
from services.threads.collections import COLLECTIONS as THREADS
from services.users.collections import COLLECTIONS as USERS

Specs = Sequence[CollectionSpec[Any]]
OWNED: dict[str, Specs] = {
    "users": USERS,
    "threads": THREADS,
    "messages": MESSAGES,
    "catalog": CATALOG,
    "operations": OPERATIONS,
}


def held_by(service: str) -> Specs:
    """All that the service's store holds: its own collections, those that every service has, and the journal."""
    return (*OWNED[service], *SYSTEM_COLLECTIONS, JOURNAL)
