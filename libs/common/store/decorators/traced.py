"""A store whose calls are spans of the trace of the request that makes them."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TypeVar

from opentelemetry.trace import SpanKind

from libs.common.context import current_call
from libs.common.store.port import CollectionSpec, M, Query, Search, Store, Stored, Write
from libs.common.telemetry.tracing import Tracing

T = TypeVar("T")


class Traced:
    """A `Store` that makes spans of the calls of another; what no request makes leaves none."""

    def __init__(self, store: Store, service: str, tracing: Tracing) -> None:
        """`service` is whose store it is."""
        self._store = store
        self._service = service
        self._tracing = tracing

    async def get(self, spec: CollectionSpec[M], id: str) -> Stored[M] | None:
        """The document, or None."""
        return await self._span(f"get {spec.name}", self._store.get(spec, id))

    async def get_many(self, spec: CollectionSpec[M], ids: Sequence[str]) -> list[Stored[M]]:
        """Those of the documents that exist, in the order of `ids`, each once."""
        return await self._span(f"get_many {spec.name}", self._store.get_many(spec, ids))

    async def query(self, query: Query[M]) -> list[Stored[M]]:
        """The documents after the query's cursor, in its order."""
        return await self._span(f"query {query.spec.name}", self._store.query(query))

    async def count(self, query: Query[M]) -> int:
        """How many documents the query's equalities or prefix hold."""
        return await self._span(f"count {query.spec.name}", self._store.count(query))

    async def search(self, search: Search[M]) -> list[Stored[M]]:
        """The documents that hold the words, the best matches first."""
        return await self._span(f"search {search.spec.name}", self._store.search(search))

    async def commit(self, writes: Sequence[Write]) -> None:
        """All of the writes or none."""
        names = ", ".join(sorted({write.collection for write in writes}))
        await self._span(f"commit {names}", self._store.commit(writes))

    async def ping(self) -> None:
        """Returns when the engine answers."""
        await self._store.ping()

    async def close(self) -> None:
        """Closes the store below."""
        await self._store.close()

    async def _span(self, name: str, work: Awaitable[T]) -> T:
        traceparent = current_call().traceparent
        if not traceparent:
            return await work
        attributes = {"llmchat.service": self._service}
        with self._tracing.span(f"store {name}", SpanKind.INTERNAL, traceparent, attributes) as span:
            try:
                return await work
            except Exception as error:
                span.fail(type(error).__name__)
                raise
