"""What the conformance suite stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llmchat.store.v1.journal_pb2 import JournalEntry
from llmchat.store.v1.lease_pb2 import Lease
from llmchat.threads.v1.thread_pb2 import Thread, ThreadSettings

from libs.common.clock import timestamp
from libs.common.store.decorators.journaled import JOURNAL
from libs.common.store.port import CollectionSpec, Index, Put, TextIndex

THREADS = CollectionSpec(
    "threads",
    Thread,
    "thread",
    (
        Index(("user_id", "settings.is_archived"), "updated_at"),
        Index(("user_id",), "total_messages"),
        Index((), "title"),
    ),
    text=TextIndex("user_id", {"title": 2, "settings.tags": 1, "models.summary": 1}),
)
LEASES = CollectionSpec("leases", Lease, "lease", (Index(("holder",), "expires_at"),))
NOTES = CollectionSpec("notes", JournalEntry, "note", (Index(("collection",), "revision"),), journaled=False)
SPECS: Sequence[CollectionSpec[Any]] = (THREADS, LEASES, NOTES, JOURNAL)

HOSTILE_IDS = [
    "thread_1",
    " ",
    "a.b$c#d[e]f/g?h",
    "'; DROP TABLE threads; --",
    '"quoted"',
    "%_*?",
    "../../etc/passwd",
    "line\nbreak\ttab\r",
    "\x01\x7f",
    "null",
    "0",
    "__proto__",
    "Ä",
    "A\u0308",
    "東京",
    "\ud7ff\ue000",
    "\uffff",
    "👩‍👩‍👧‍👦",
    "\U0010ffff",
    "x" * 256,
    "👋" * 256,
]


def thread(
    id: str, *, user: str = "user_1", at: int = 0, archived: bool = False, total: int = 0, title: str = ""
) -> Thread:
    """A thread; `at` is its last activity in milliseconds of the epoch."""
    return Thread(
        id=id,
        user_id=user,
        title=title,
        updated_at=timestamp(at),
        settings=ThreadSettings(is_archived=archived),
        total_messages=total,
    )


def put(message: Thread, if_revision: int | None = None) -> Put:
    """The write of a thread under its own id."""
    return Put(THREADS.name, message.id, message, if_revision)
