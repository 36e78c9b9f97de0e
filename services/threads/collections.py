"""What the threads service stores."""

from __future__ import annotations

from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.store.port import CollectionSpec, Index

THREADS = CollectionSpec(
    "threads",
    Thread,
    "thread",
    (
        Index(("user_id",), "updated_at"),
        Index(("user_id", "settings.is_archived"), "updated_at"),
        # What a watcher has missed.
        Index(("user_id",), "changed_at"),
    ),
)

COLLECTIONS = (THREADS,)
