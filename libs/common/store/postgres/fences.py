"""Fences in PostgreSQL: advisory locks that end with the transaction, by a hash of what they stand for.

A commit that may create many documents of a collection takes the fence of the whole collection alone instead, so that
the server's table of locks does not fill; who takes that of a document shares the collection's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from hashlib import blake2b

from libs.common.store.sql.plan import Fence

_MANY = 200  # of 6,400 locks that a server has by default

# Each row tells the transaction's id, too.
TAKE = """
SELECT pg_current_xact_id()::text,
  CASE WHEN alone THEN pg_advisory_xact_lock(key) ELSE pg_advisory_xact_lock_shared(key) END
FROM unnest(%s::bigint[], %s::boolean[]) AS fence(key, alone)
"""


def taken(schema: str, fences: Iterable[Fence]) -> tuple[list[int], list[bool]] | None:
    """The parameters of `TAKE`, in one order for every commit; None where nothing is to be taken."""
    wanted = list(fences)
    if not wanted:
        return None
    counts = Counter(fence.collection for fence in wanted)
    alone: dict[int, bool] = {}
    for fence in wanted:
        whole, many = key_of(schema, fence.collection), counts[fence.collection] > _MANY
        alone[whole] = many
        if not many:
            own = key_of(schema, fence.collection, fence.id)
            alone[own] = alone.get(own, False) or fence.alone
    keys = sorted(alone)
    return keys, [alone[key] for key in keys]


def key_of(*names: str) -> int:
    """The number that an advisory lock has; two that meet in it wait for each other for nothing."""
    digest = blake2b("\0".join(names).encode(), digest_size=8, person=b"llmchat").digest()
    return int.from_bytes(digest, "big", signed=True)
