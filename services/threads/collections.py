"""What the threads service stores."""

from __future__ import annotations

from llmchat.threads.stored.v1.share_pb2 import Share
from llmchat.threads.stored.v1.temporary_thread_pb2 import TemporaryThread
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.store.port import CollectionSpec, Index, TextIndex

THREADS = CollectionSpec(
    "threads",
    Thread,
    "thread",
    (
        Index(("user_id",), "rank"),
        Index(("user_id", "settings.is_archived"), "rank"),
        # What a watcher has missed.
        Index(("user_id",), "changed_at"),
    ),
    text=TextIndex("user_id", {"title": 2, "settings.tags": 1, "models.summary": 1}),
)

# Which thread a token shows, by the token's hash.
SHARES = CollectionSpec("shares", Share)

# When a temporary thread goes, under its id.
TEMPORARY_THREADS = CollectionSpec("temporary_threads", TemporaryThread, indexes=(Index((), "expires_at"),))

COLLECTIONS = (THREADS, SHARES, TEMPORARY_THREADS)
