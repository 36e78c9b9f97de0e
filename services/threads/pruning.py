"""The end of threads that a person has too many of."""

from __future__ import annotations

from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import PruneThreadsRequest, PruneThreadsResponse

from libs.common.context import Caller
from libs.common.documents.unit import Unit
from libs.common.events.changes import Changes
from libs.common.events.outbox import Outbox
from libs.common.store.port import Cursor, Query
from services.threads.collections import THREADS
from services.threads.removal import delete

_PAGE = 200
# Keeps a commit within what every engine takes.
_A_CALL = 100


async def prune_threads(
    unit: Unit, changes: Changes, outbox: Outbox, caller: Caller, request: PruneThreadsRequest, limit: int
) -> PruneThreadsResponse:
    """Stages the deletion of the caller's threads beyond the newest `keep`, or with `dry_run` only names them.

    Pinned and shared ones stay and do not count. `limit` is how many threads the system lets a person have: it stands
    for a `keep` of 0, and where it is 0 too, none is too many.
    """
    keep = request.keep or limit
    beyond = await _beyond(unit, caller.user_id, keep) if keep else []
    chosen = beyond[::-1][:_A_CALL]
    if not request.dry_run:
        for thread in chosen:
            await delete(unit, changes, outbox, thread)
    return PruneThreadsResponse(thread_ids=[thread.id for thread in chosen], has_more=len(beyond) > len(chosen))


async def _beyond(unit: Unit, user_id: str, keep: int) -> list[Thread]:
    """Those that are too many, the one with the newest activity first."""
    found: list[Thread] = []
    counted = 0
    after: Cursor | None = None
    while True:
        query = Query.where(THREADS, order="rank", descending=True, after=after, limit=_PAGE, user_id=user_id)
        page = await unit.query(query)
        for thread in page:
            if thread.settings.is_pinned or thread.HasField("sharing"):
                continue
            counted += 1
            if counted > keep:
                found.append(thread)
        if len(page) < _PAGE:
            return found
        after = unit.place_of(query, page[-1])
