"""Lists are ordered by `rank`. Before, they were by the last activity."""

from __future__ import annotations

from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.migrations.declaration import Migration, Upgrade
from services.threads.collections import THREADS
from services.threads.rank import rank_of


def up(thread: Thread) -> None:
    """Gives the thread its place in lists."""
    thread.rank = rank_of(thread)


def down(thread: Thread) -> None:
    """Takes it away."""
    thread.rank = 0


def validate(thread: Thread) -> str:
    """What is wrong with it."""
    return "" if thread.rank == rank_of(thread) else "its rank is not that of its last activity"


MIGRATION = Migration(
    description="threads get the rank that lists are ordered by",
    parts=(Upgrade(THREADS, to_version=2, up=up, down=down, validate=validate),),
)
