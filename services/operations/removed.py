"""What deleted people had, added up: one document of numbers."""

from __future__ import annotations

from llmchat.operations.stored.v1.system_pb2 import RemovedTotals

from libs.common.clock import timestamp
from libs.common.documents.unit import Unit
from services.operations.collections import SYSTEM
from services.operations.stats import count_removed

_ID = "removed"


async def add_removed(
    unit: Unit, *, users: int = 0, threads: int = 0, messages: int = 0, tokens: int = 0, operations: int = 0
) -> None:
    """Stages the totals with the given numbers added, and that so much less is there."""
    totals = await unit.find(SYSTEM, _ID) or RemovedTotals(id=_ID)
    totals.users += users
    totals.threads += threads
    totals.messages += messages
    totals.tokens += tokens
    totals.operations += operations
    totals.updated_at.CopyFrom(timestamp(unit.now))
    unit.put(SYSTEM, totals)
    if users or threads or messages or tokens:
        await count_removed(unit, users=users, threads=threads, messages=messages, tokens=tokens)
