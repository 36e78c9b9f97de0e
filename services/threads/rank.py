"""What lists of threads are ordered by."""

from __future__ import annotations

from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.clock import milliseconds

# More than any time in milliseconds, and with one still a number that JSON holds exactly.
_PINNED = 2**52


def rank_of(thread: Thread) -> int:
    """The last activity in milliseconds of the epoch; while the thread is pinned above that of every other."""
    return milliseconds(thread.updated_at) + (_PINNED if thread.settings.is_pinned else 0)
