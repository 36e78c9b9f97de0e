"""Threads that others may read: by a token that nobody guesses, everybody who has it or the users who are named."""

from __future__ import annotations

import secrets

from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import GetSharedThreadRequest, SharedThread, ShareThreadRequest

from libs.common.audit import audit
from libs.common.clock import timestamp
from libs.common.context import Caller
from libs.common.documents.documents import Documents
from libs.common.documents.ownership import read_owned
from libs.common.documents.unit import Unit
from libs.common.errors import Invalid, NotFound
from libs.common.events.changes import Changes
from libs.common.events.outbox import Outbox
from services.threads.collections import THREADS
from services.threads.shares import find_share, show, withdraw
from services.threads.thread import save

_TOKEN_BYTES = 32
# What is said of every token that shows nothing: the token itself is in no error.
_KIND, _UNNAMED = "shared thread", "of this token"


async def share_thread(
    unit: Unit, changes: Changes, outbox: Outbox, caller: Caller, request: ShareThreadRequest
) -> Thread:
    """Stages that others may read the thread; the token that it has stays, unless a new one is asked for.

    Raises:
        NotFound: there is no such thread of the caller's.
        Invalid: it is neither public nor for anybody, or both.
    """
    if request.is_public == bool(request.allowed_users):
        raise Invalid.field("allowed_users", "names who may read, and nobody where the thread is public")
    thread = await read_owned(unit, THREADS, caller, request.id)
    if request.new_token or not thread.sharing.share_token:
        await withdraw(unit, thread)
        thread.sharing.share_token = secrets.token_urlsafe(_TOKEN_BYTES)
        thread.sharing.shared_at.CopyFrom(timestamp(unit.now))
        show(unit, thread)
    thread.sharing.is_public = request.is_public
    thread.sharing.allowed_users[:] = request.allowed_users
    audit(unit, outbox, "thread.share", "thread", thread.id, user_id=thread.user_id, changed_fields=("sharing",))
    return save(unit, changes, thread)


async def unshare_thread(unit: Unit, changes: Changes, outbox: Outbox, caller: Caller, id: str) -> Thread:
    """Stages that nobody else may read the thread; one that is not shared stays as it is.

    Raises:
        NotFound: there is no such thread of the caller's.
    """
    thread = await read_owned(unit, THREADS, caller, id)
    if not thread.HasField("sharing"):
        return thread
    await withdraw(unit, thread)
    thread.ClearField("sharing")
    audit(unit, outbox, "thread.unshare", "thread", thread.id, user_id=thread.user_id, changed_fields=("sharing",))
    return save(unit, changes, thread)


async def read_shared(documents: Documents, caller: Caller, request: GetSharedThreadRequest) -> SharedThread:
    """What a reader may know of the thread that the token shows.

    Raises:
        NotFound: it shows none, or not to this reader: the words are the same.
    """
    share = await find_share(documents, request.share_token)
    thread = None if share is None else await documents.find(THREADS, share.thread_id)
    if thread is None or not _may_read(thread, request.share_token, caller.user_id):
        raise NotFound(_KIND, _UNNAMED)
    return SharedThread(
        thread_id=thread.id,
        title=thread.title,
        created_at=thread.created_at,
        updated_at=thread.updated_at,
        active_models=thread.active_models,
        total_messages=thread.total_messages,
        shared_at=thread.sharing.shared_at,
    )


def _may_read(thread: Thread, token: str, reader_id: str) -> bool:
    sharing = thread.sharing
    if sharing.share_token != token:
        return False
    return sharing.is_public or (bool(reader_id) and reader_id in (thread.user_id, *sharing.allowed_users))
