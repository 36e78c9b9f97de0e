"""The table of kinds: what a document may refer to, and which service knows whether it is there."""

from __future__ import annotations

from types import MappingProxyType

KINDS = MappingProxyType(
    {
        "user": "users",
        "username": "users",
        "thread": "threads",
        # Under its thread's id; the tombstone of a deleted thread is none.
        "conversation": "messages",
        "message": "messages",
        # An answer that waits for its turn or is being generated.
        "unfinished answer": "messages",
        # The lease of an answer that is being generated or cleaned up after, under the answer's id.
        "generation": "messages",
        # The same or, later, the reminder that a fence is to be removed.
        "fence's lease": "messages",
        # Of an answer that waits for a generator outside, or is written by one, under the answer's id.
        "external answer": "messages",
        "model": "catalog",
        "operation": "operations",
        "unended operation": "operations",
    }
)
