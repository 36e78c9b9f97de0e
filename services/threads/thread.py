"""The rules of a thread, as its user meets them.

A thread that is another user's is NotFound, with the words of one that does not exist. `updated_at` is the last
activity: a change of title or settings is none and leaves it, so that tidying up does not reorder the list.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from llmchat.events.v1.events_pb2 import ThreadCreated
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import (
    CreateThreadRequest,
    DeleteThreadRequest,
    ListThreadsRequest,
    SetGeneratedTitleRequest,
    UpdateThreadRequest,
)

from libs.common.clock import timestamp
from libs.common.context import Caller
from libs.common.documents.documents import Documents
from libs.common.documents.masks import apply_mask
from libs.common.documents.ownership import read_owned
from libs.common.documents.pages import Page
from libs.common.documents.tombstones import require_alive
from libs.common.documents.unit import Unit, new_id, require_etag
from libs.common.errors import Invalid
from libs.common.events.changes import Changes
from libs.common.events.outbox import Outbox
from libs.common.events.remembered import SETTINGS
from libs.common.store.port import Query
from services.threads.collections import THREADS
from services.threads.rank import rank_of
from services.threads.removal import delete
from services.threads.temporary import keep_until

STAND_IN_TITLE = "New conversation"
_CHANGEABLE = ("title", "settings", "expires_at")
_PAGE_SIZE = 20


async def list_threads(documents: Documents, caller: Caller, request: ListThreadsRequest) -> Page[Thread]:
    """A page of the caller's threads, pinned ones first, then newest activity first.

    With a tag a page holds those that have it among as many threads as were asked for, and may be shorter.

    Raises:
        Invalid: the page token is not one that this list gave this caller, or a count is asked for together with a tag.
    """
    if request.tag and request.count_total:
        raise Invalid.field("count_total", "is not counted together with a tag")
    equals: dict[str, Any] = {"user_id": caller.user_id}
    if request.HasField("is_archived"):
        equals["settings__is_archived"] = request.is_archived
    size = request.page_size or _PAGE_SIZE
    query = Query.where(THREADS, order="rank", descending=True, limit=size, **equals)
    page = await documents.page(query, request.page_token, count=request.count_total)
    if not request.tag:
        return page
    while True:
        tagged = [stored for stored in page.stored if request.tag in stored.message.settings.tags]
        if tagged or not page.next_token:
            return replace(page, stored=tagged)
        page = await documents.page(query, page.next_token)


async def create_thread(
    unit: Unit, changes: Changes, outbox: Outbox, caller: Caller, request: CreateThreadRequest
) -> Thread:
    """Stages a thread of the caller's.

    Raises:
        NotFound: the caller's account is deleted.
        Invalid: the title is given and blank.
    """
    if request.title:
        _require_words("title", request.title)
    await require_alive(unit, "user", caller.user_id)
    thread = Thread(
        id=new_id(THREADS),
        user_id=caller.user_id,
        title=request.title or STAND_IN_TITLE,
        has_title=bool(request.title),
        settings=request.settings,
        created_at=timestamp(unit.now),
        updated_at=timestamp(unit.now),
    )
    if request.lifetime_seconds:
        thread.expires_at.CopyFrom(timestamp(unit.now + request.lifetime_seconds * 1000))
        await keep_until(unit, thread)
    return add(unit, changes, outbox, thread)


async def update_thread(unit: Unit, changes: Changes, caller: Caller, request: UpdateThreadRequest) -> Thread:
    """Stages the fields that the mask names.

    Raises:
        NotFound: there is no such thread of the caller's.
        Stale: the thread has moved since the given etag.
        Invalid: the mask names what cannot be changed, the new title is blank, or its end is past or too far away.
    """
    thread = await read_owned(unit, THREADS, caller, request.thread.id)
    require_etag(thread, request.thread.etag)
    apply_mask(request.update_mask, request.thread, thread, _CHANGEABLE)
    if "title" in request.update_mask.paths:
        _require_words("thread.title", thread.title)
        thread.has_title = True
    if "expires_at" in request.update_mask.paths:
        await keep_until(unit, thread)
    if any(path.partition(".")[0] == "settings" for path in request.update_mask.paths):
        # Who remembers them is told besides.
        changes.tell(unit, SETTINGS, thread.id)
    return save(unit, changes, thread)


async def delete_thread(
    unit: Unit, changes: Changes, outbox: Outbox, caller: Caller, request: DeleteThreadRequest
) -> None:
    """Stages the removal, and the event by which all that hangs on the thread goes too.

    Raises:
        NotFound: there is no such thread of the caller's.
        Stale: the thread has moved since the given etag.
    """
    thread = await read_owned(unit, THREADS, caller, request.id)
    require_etag(thread, request.etag)
    await delete(unit, changes, outbox, thread)


async def set_generated_title(
    unit: Unit, changes: Changes, caller: Caller, request: SetGeneratedTitleRequest
) -> Thread:
    """Stages a title that a model wrote; a thread that has a title keeps it.

    Raises:
        NotFound: there is no such thread of the user that the caller acts for.
        Invalid: the title is blank.
    """
    _require_words("title", request.title)
    thread = await read_owned(unit, THREADS, caller, request.id)
    if thread.has_title:
        return thread
    thread.title = request.title
    thread.has_title = True
    return save(unit, changes, thread)


def add(unit: Unit, changes: Changes, outbox: Outbox, thread: Thread) -> Thread:
    """Stages a new thread and the event by which it is counted. The one way to make a thread."""
    # One that is brought in from elsewhere began before it came to be here.
    created = ThreadCreated(thread_id=thread.id, user_id=thread.user_id, created_at=timestamp(unit.now))
    outbox.emit(unit, "thread.created", "", created)
    return save(unit, changes, unit.create(THREADS, thread))


def save(unit: Unit, changes: Changes, thread: Thread) -> Thread:
    """Stages `thread` as it is now and has its owner's watchers told. The one way to write a thread."""
    thread.changed_at.CopyFrom(timestamp(unit.now))
    thread.rank = rank_of(thread)
    changes.tell(unit, thread.user_id, thread.id)
    return unit.put(THREADS, thread)


def _require_words(field: str, title: str) -> None:
    if not title.strip():
        raise Invalid.field(field, "must hold more than blanks")
