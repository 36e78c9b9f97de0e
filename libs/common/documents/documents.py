"""The documents of one service: reads, pages, and units of work that retry on conflict."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from google.protobuf.message import Message
from llmchat.store.v1.request_pb2 import RequestRecord

from libs.common.clock import Clock, timestamp
from libs.common.context import Call
from libs.common.documents.pages import Page, PageTokens
from libs.common.documents.places import place_of
from libs.common.documents.system import REQUESTS
from libs.common.documents.unit import Unit
from libs.common.errors import Conflict, Contended, DomainError, Invalid, NotFound, Precondition
from libs.common.store.port import MAX_PAGE, CollectionSpec, Cursor, Query, Search, Store, Stored

M = TypeVar("M", bound=Message)
T = TypeVar("T")
_ATTEMPTS = 10
_LONGEST_PAUSE = 0.1
PAGE_BYTES = 3 * 2**20


class RequestSeal(Protocol):
    """What is kept of requests: a keyed digest, by which a repeat is told from another request with the same id, and
    the answer, sealed.
    """

    def digest(self, method: str, message: Message, /) -> bytes:
        """The digest; `request_id` itself does not count."""
        ...

    def matches(self, digest: bytes, method: str, message: Message, /) -> bool:
        """Whether `digest` is of the same request."""
        ...

    def seal(self, record_id: str, answer: bytes, /) -> bytes:
        """The answer as the record keeps it."""
        ...

    def open(self, record_id: str, envelope: bytes, /) -> bytes | None:
        """The answer; None where it cannot be read any more."""
        ...


class Documents:
    """What a service's rules are written against. One per service, over that service's store."""

    def __init__(self, store: Store, clock: Clock, page_tokens: PageTokens, seal: RequestSeal) -> None:
        self.store = store
        self.clock = clock
        self._page_tokens = page_tokens
        self._seal = seal

    async def find(self, spec: CollectionSpec[M], id: str) -> M | None:
        """The document, or None."""
        stored = await self.store.get(spec, id)
        return stored.message if stored else None

    async def get(self, spec: CollectionSpec[M], id: str) -> M:
        """The document.

        Raises:
            NotFound: there is none.
        """
        stored = await self.store.get(spec, id)
        if stored is None:
            raise NotFound(spec.kind, id)
        return stored.message

    async def query(self, query: Query[M]) -> list[M]:
        """The documents that the query holds, in its order."""
        return [stored.message for stored in await self.store.query(query)]

    async def page(
        self,
        query: Query[M],
        page_token: str,
        *,
        count: bool = False,
        most_bytes: int = PAGE_BYTES,
        keep: Callable[[M], bool] | None = None,
    ) -> Page[M]:
        """The page of `query.limit` documents after `page_token` (from the query's own start when empty).

        It ends before the document that would take it beyond `most_bytes`, but for the first. With `keep` it has those
        alone for which that holds; where 1,000 or more are left out it may be short, and not the last. They count all
        the same.

        Raises:
            Invalid: the token is not one that this query gave this caller.
        """
        after = self._page_tokens.read(query, page_token) if page_token else query.after
        query_on = replace(query, after=after, limit=query.limit + 1)
        found, reached = (await self.store.query(query_on), None) if keep is None else await self._kept(query_on, keep)
        fitting = min(query.limit, _fitting(found, most_bytes))
        if len(found) > fitting:
            found = found[:fitting]
            reached = place_of(query, found[-1])
        next_token = self._page_tokens.issue(query, reached) if reached is not None else ""
        total = await self.store.count(query) if count else None
        return Page(found, next_token, total)

    async def search(self, search: Search[M], page_token: str) -> Page[M]:
        """The page of `search.limit` documents after `page_token` (the best matches when empty), of 1,000 in all.

        What is written meanwhile may move a document to another page.

        Raises:
            Invalid: the token is not one that this search gave this caller.
        """
        after = self._page_tokens.read(search, page_token) if page_token else Cursor(0, "")
        offset = int(after.value or 0)
        found = await self.store.search(replace(search, offset=offset, limit=search.limit + 1))
        fitting = min(search.limit, _fitting(found, PAGE_BYTES))
        reached = offset + fitting
        more = len(found) > fitting and reached < MAX_PAGE
        return Page(found[:fitting], self._page_tokens.issue(search, Cursor(reached, "")) if more else "", None)

    async def _kept(self, query: Query[M], keep: Callable[[M], bool]) -> tuple[list[Stored[M]], Cursor | None]:
        """The first `query.limit` documents for which `keep` holds; and where to go on if the look ended before."""
        kept: list[Stored[M]] = []
        left_out = 0
        while True:
            found = await self.store.query(query)
            fresh = [stored for stored in found if keep(stored.message)]
            kept += fresh
            if len(kept) >= query.limit or len(found) < query.limit:
                return kept[: query.limit], None
            left_out += len(found) - len(fresh)
            reached = place_of(query, found[-1])
            if left_out >= MAX_PAGE:
                return kept, reached
            query = replace(query, after=reached)
            # What is left out is nobody's wait: others have their turn in between.
            await asyncio.sleep(0)

    async def unit(self, work: Callable[[Unit], Awaitable[T]]) -> T:
        """Runs `work` and commits what it staged; on a conflict, all of it again on what is stored then.

        Raises:
            Contended: every attempt met a conflict.
        """
        for attempt in range(_ATTEMPTS):
            unit = Unit(self.store, self.clock())
            result = await work(unit)
            try:
                await _commit(unit)
            except Conflict:
                await asyncio.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.001 * 2**attempt)))  # noqa: S311 # jitter
                continue
            return result
        raise Contended("others keep changing the same documents: try again")

    async def once(self, call: Call, request: Message, answer: type[M], work: Callable[[Unit], Awaitable[M]]) -> M:
        """As `unit`, for a request with a `request_id`: a repeat by the same caller gets the first one's answer.

        The record of the request is part of the same commit as its effect.

        Raises:
            Invalid: the `request_id` was used before with another body.
            Precondition: it was used before, and its answer is sealed under a key that has been removed since.
            Contended: every attempt met a conflict.
        """
        request_id: str = request.request_id  # type: ignore[attr-defined]
        if not request_id:
            return await self.unit(work)
        scope = "\0".join((call.caller.actor, call.method, request_id))
        record_id = hashlib.sha256(scope.encode()).hexdigest()

        def repeated(record: RequestRecord) -> M:
            first = self._seal.open(record_id, record.answer)
            if first is None:
                raise Precondition("the first answer cannot be read any more", reason="ANSWER_UNREADABLE")
            if not self._seal.matches(record.digest, call.method, request):
                text = "was used before with another body"
                raise Invalid.field("request_id", text, reason="REQUEST_ID_REUSED")
            return answer.FromString(first)

        async def recorded(unit: Unit) -> M:
            record = await unit.find(REQUESTS, record_id)
            if record is not None:
                return repeated(record)
            result = await work(unit)
            record = RequestRecord(
                id=record_id,
                digest=self._seal.digest(call.method, request),
                answer=self._seal.seal(record_id, result.SerializeToString()),
                created_at=timestamp(unit.now),
            )
            unit.create(REQUESTS, record)
            return result

        try:
            return await self.unit(recorded)
        except DomainError:
            # Of two at the same time one may look for the record too early, and then be refused for what the other did.
            record = await self.find(REQUESTS, record_id)
            if record is None:
                raise
            return repeated(record)


async def _commit(unit: Unit) -> None:
    if unit.after_commit:
        # A caller that is cancelled from here on cannot take its writes back: what follows them happens too.
        conflict = await asyncio.shield(asyncio.create_task(_conflict_of(unit)))
        if conflict is not None:
            raise conflict
    else:
        await _commit_and_follow(unit)


async def _conflict_of(unit: Unit) -> Conflict | None:
    """Commits; gives a conflict instead of raising it, since after a caller who left nobody would catch it."""
    try:
        await _commit_and_follow(unit)
    except Conflict as conflict:
        return conflict
    return None


async def _commit_and_follow(unit: Unit) -> None:
    await unit.commit()
    for action in (*unit.after_commit, *unit.hints):
        action()


def _fitting(found: Sequence[Stored[M]], most_bytes: int) -> int:
    """How many of the documents fit into one answer: gRPC lets 4 MiB through; at least one."""
    size = 0
    for number, stored in enumerate(found):
        size += len(stored.body)
        if size > most_bytes and number:
            return number
    return len(found)
