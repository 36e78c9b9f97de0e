"""Commits: the revisions are read, then all writes go in one request, each on condition that nothing moved in between.

- **What is new alone needs no look**: the condition is that it does not exist.
- **Absence** is asserted by reading in a transaction, which the commit then ends: it is stored only if nothing that the
  transaction read has changed. Firestore has commits that assert the same wait for none of each other.
- **A lost answer** is looked up: a document names the commits that wrote it last. Where they do not tell, since other
  writes or a deletion came after, the commit is Unavailable, and may be stored.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from google.cloud.firestore_v1.types import write as types

from libs.common.errors import Conflict, Unavailable
from libs.common.store.firestore.client import Aborted, Client, Lost, Moved
from libs.common.store.firestore.layout import Content, Document, document, part_names
from libs.common.store.firestore.pausing import pauses
from libs.common.store.firestore.values import Value
from libs.common.store.port import Delete, Put, Write

_Write = types.Write.pb()

_PATIENCE = 10.0  # seconds in which a commit that met others is made again
_REMEMBERED = 16  # commits that a document names
_SEEN = ("stored.revision", "stored.commits", "stored.parts")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A write, the name of its document, and what is put there."""

    write: Write
    name: str
    content: Content | None

    @property
    def is_new(self) -> bool:
        """Whether it puts what does not exist yet."""
        return isinstance(self.write, Put) and self.write.if_revision == 0

    @property
    def asserts_absence(self) -> bool:
        """Whether it changes nothing."""
        return isinstance(self.write, Delete) and self.write.if_revision == 0


class Past:
    """What is there before a commit: of each document its revision and the commits that wrote it last."""

    def __init__(self, seen: Any) -> None:
        """`seen` is the document, or None."""
        fields = seen.fields["stored"].map_value.fields if seen is not None else {}
        self.exists = seen is not None
        self.revision: int = fields["revision"].integer_value if fields else 0
        self.commits = [one.string_value for one in fields["commits"].array_value.values] if fields else []
        self.parts: int = fields["parts"].integer_value if "parts" in fields else 0
        self.updated = seen.update_time if seen is not None else None

    def follows(self, before: Past) -> bool:
        """Whether this document names every commit that wrote it since then."""
        if before.exists:
            return before.commits[0] in self.commits
        return self.exists and len(self.commits) < _REMEMBERED


_ABSENT = Past(None)
_UNKNOWN = "the answer to a commit was lost, and what came after hides whether it is stored"


class Committing:
    """One commit, until it is stored or refused."""

    def __init__(self, client: Client, writes: Sequence[Prepared]) -> None:
        self._client = client
        self._writes = writes
        self._names = [prepared.name for prepared in writes]
        self._id = secrets.token_urlsafe(9)
        asserting = [prepared.asserts_absence for prepared in writes]
        self._is_bound = any(asserting) and not all(asserting)
        # What was there before the first attempt whose answer was lost.
        self._lost: dict[str, Past] | None = None

    async def run(self) -> None:
        """Returns when it is stored.

        Raises:
            Conflict: names the first document that is not at its revision.
            Invalid: Firestore takes no such documents, or not as many at once.
            Unavailable: Firestore does not answer, or the commit met others for 10 seconds.
        """
        is_new = all(prepared.is_new for prepared in self._writes)
        if is_new and await self._sent(dict.fromkeys(self._names, _ABSENT), b""):
            return
        for pause in pauses(_PATIENCE):
            if await self._attempt():
                return
            await asyncio.sleep(pause)
        raise Unavailable("the commit met others again and again" if self._lost is None else _UNKNOWN)

    async def _attempt(self) -> bool:
        """Whether it is stored; False where another attempt may store it."""
        seen = await (self._client.begin if self._is_bound else self._client.get)(self._names, _SEEN)
        past = {name: Past(seen.documents.get(name)) for name in self._names}
        ended = False
        try:
            if self._lost is not None and any(self._id in one.commits for one in past.values()):
                return True
            self._check(past)
            ended = await self._sent(past, seen.transaction)
            return ended
        finally:
            if seen.transaction and not ended:
                await self._client.rollback(seen.transaction)

    def _check(self, past: dict[str, Past]) -> None:
        for prepared in self._writes:
            there, expected = past[prepared.name], prepared.write.if_revision
            if expected is None or expected == there.revision:
                continue
            if self._lost is not None and not there.follows(self._lost[prepared.name]):
                raise Unavailable(_UNKNOWN)
            raise Conflict(prepared.write.collection, prepared.write.id)

    async def _sent(self, past: dict[str, Past], transaction: bytes) -> bool:
        writes = [part for prepared in self._writes for part in self._parts(prepared, past[prepared.name])]
        if not writes and not transaction:
            return True
        try:
            await self._client.commit(writes, transaction)
        except (Moved, Aborted):
            return False
        except Lost:
            self._lost = self._lost or past
            return False
        return True

    def _parts(self, prepared: Prepared, there: Past) -> Iterator[Any]:
        """The writes of a document and of what is below it. Each is tied to what was seen, in case it arrives late."""
        if there.exists:
            for name in part_names(prepared.name, there.commits[0], there.parts):
                yield _Write(delete=name)
        if prepared.content is None:
            if there.exists:
                write = _Write(delete=prepared.name)
                write.current_document.update_time.CopyFrom(there.updated)
                yield write
            return
        revision = getattr(prepared.write, "revision", None) or there.revision + 1
        commits = [self._id, *there.commits][:_REMEMBERED]
        write = _Write(update=document(prepared.name, prepared.write.id, revision, commits, prepared.content))
        if there.exists:
            write.current_document.update_time.CopyFrom(there.updated)
        else:
            write.current_document.exists = False
        yield write
        names = part_names(prepared.name, self._id, len(prepared.content.parts))
        for name, part in zip(names, prepared.content.parts, strict=True):
            yield _Write(update=Document(name=name, fields={"body": Value(bytes_value=part)}))
