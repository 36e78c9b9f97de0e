"""Copies of whole collections between any two stores, and what tells whether two stores hold the same.

A copy goes in the order of ids and commits a batch after the other, so that its destination always holds the beginning
of its source. Where it stands is therefore the greatest id that is there, and nothing else has to be kept: one that
was killed goes on from that, once what is there has been compared with the source.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass

from libs.common.errors import Precondition
from libs.common.store.port import CollectionSpec, M, Put, Query, Store, Stored

# Documents that are read at a time and put in one commit: as many of a megabyte each fit into memory, and Firestore
# takes 500 writes in a commit.
_DOCUMENTS = 100
# Bytes in one commit, but for a single document that has more: Firestore takes 10 MiB with what its indexes need, the
# Realtime Database 16 MB of JSON, in which a byte may become six.
_BYTES = 2 * 2**20

# Is told of so many more documents.
Told = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Contents:
    """What a collection holds.

    `sha256` is in hexadecimal, over each document's id, revision and message in the order of ids; a message counts as
    its deterministic proto bytes, whatever its engine stores it as.
    """

    documents: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Begun:
    """Where a copy stands: `after` is the greatest id that is in the destination, None where it has yet to begin."""

    after: str | None
    documents: int


def untold(documents: int) -> None:
    """Nobody is told."""


async def contents(store: Store, spec: CollectionSpec[M], *, until: str | None = None, read: Told = untold) -> Contents:
    """What the collection holds, up to the id `until` where one is given."""
    digest = hashlib.sha256()
    documents = 0
    async for page in _pages(store, spec):
        for stored in page:
            if until is not None and stored.id > until:
                return Contents(documents, digest.hexdigest())
            documents += 1
            for part in (stored.id.encode(), b"%d" % stored.revision, _bytes_of(stored)):
                digest.update(b"%d:" % len(part))
                digest.update(part)
        read(len(page))
    return Contents(documents, digest.hexdigest())


async def begun(source: Store, destination: Store, spec: CollectionSpec[M]) -> Begun:
    """Where a copy of this source to this destination stands.

    Raises:
        Precondition: the destination holds documents that are not the beginning of the source's (reason HOLDS_OTHERS).
    """
    last = await destination.query(Query.by_id(spec, descending=True, limit=1))
    if not last:
        return Begun(None, 0)
    there = await contents(destination, spec)
    if there != await contents(source, spec, until=last[0].id):
        raise Precondition(
            f"the destination holds documents in {spec.name} that are not those of the source: a copy goes to an empty"
            " place, which no server and no `llmchat init` has filled. If one was interrupted and the source has"
            " changed since, it has to begin in an empty place again",
            reason="HOLDS_OTHERS",
        )
    return Begun(last[0].id, there.documents)


async def copy(
    source: Store, destination: Store, spec: CollectionSpec[M], begun: Begun, *, copied: Told = untold
) -> None:
    """Puts the documents of the source that are not there yet into the destination, at the revisions that they have.

    Raises:
        Conflict: a document is there already.
        Unavailable: an engine cannot be reached; what was copied stays.
    """
    async for page in _pages(source, spec, begun.after):
        for batch in _batches(page):
            puts = [Put(spec.name, one.id, one.message, if_revision=0, revision=one.revision) for one in batch]
            await destination.commit(puts)
            copied(len(puts))


async def _pages(store: Store, spec: CollectionSpec[M], after: str | None = None) -> AsyncIterator[list[Stored[M]]]:
    while page := await store.query(Query.by_id(spec, after=after, limit=_DOCUMENTS)):
        yield page
        after = page[-1].id


def _batches(page: Sequence[Stored[M]]) -> Iterator[list[Stored[M]]]:
    batch: list[Stored[M]] = []
    size = 0
    for stored in page:
        if batch and size + len(stored.body) > _BYTES:
            yield batch
            batch, size = [], 0
        batch.append(stored)
        size += len(stored.body)
    yield batch


def _bytes_of(stored: Stored[M]) -> bytes:
    return stored.message.SerializeToString(deterministic=True)
