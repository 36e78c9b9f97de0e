"""Which thread a share token shows: kept by the token's hash, beside the thread that has the token."""

from __future__ import annotations

import hashlib

from llmchat.threads.stored.v1.share_pb2 import Share
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from services.threads.collections import SHARES


async def find_share(documents: Documents, token: str) -> Share | None:
    """What the token shows; None where it shows nothing."""
    return await documents.find(SHARES, _share_id(token))


def show(unit: Unit, thread: Thread) -> None:
    """Stages that the thread's token shows it."""
    unit.create(SHARES, Share(id=_share_id(thread.sharing.share_token), thread_id=thread.id))


async def withdraw(unit: Unit, thread: Thread) -> None:
    """Stages that the thread's token, if it has one, shows nothing any more."""
    token = thread.sharing.share_token
    if token and await unit.find(SHARES, _share_id(token)) is not None:
        unit.delete(SHARES, _share_id(token))


def _share_id(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
