"""Leases: the right of one holder to work on one thing until a time, with fencing by revision."""

from __future__ import annotations

from llmchat.store.v1.lease_pb2 import Lease

from libs.common.clock import milliseconds, timestamp
from libs.common.documents.system import LEASES
from libs.common.documents.unit import Unit
from libs.common.store.port import CollectionSpec


async def take_lease(
    unit: Unit, id: str, holder: str, attempt: str, seconds: float, *, spec: CollectionSpec[Lease] = LEASES
) -> bool:
    """Stages the lease for `holder`, unless another one's is still running; False then."""
    lease = await unit.find(spec, id)
    if lease is not None and milliseconds(lease.expires_at) > unit.now:
        return False
    taken = Lease(id=id, attempt=attempt, holder=holder, expires_at=timestamp(unit.now + int(seconds * 1000)))
    unit.put(spec, taken)
    return True


async def renew_lease(
    unit: Unit, id: str, attempt: str, seconds: float, *, spec: CollectionSpec[Lease] = LEASES
) -> bool:
    """Stages a later end for the lease of this attempt; False when it was lost."""
    lease = await unit.find(spec, id)
    if lease is None or lease.attempt != attempt:
        return False
    lease.expires_at.CopyFrom(timestamp(unit.now + int(seconds * 1000)))
    unit.put(spec, lease)
    return True
