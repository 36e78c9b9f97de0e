"""How threads of earlier versions are brought up to date."""

from __future__ import annotations

from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.migrations.declaration import Migration
from services.threads.collections import THREADS
from services.threads.rank import rank_of


def _rank(thread: Thread) -> None:
    # Lists were ordered by the last activity.
    thread.rank = rank_of(thread)


MIGRATIONS = (Migration(THREADS, 2, _rank),)
