"""Calls of one Firestore database, by the asynchronous client that google-cloud-firestore generates from its protos.

Not by `AsyncClient` above it, which has no word for a commit of several preconditions, and repeats commits whose answer
was lost. What goes wrong is told apart by what it leaves behind: see `Moved`, `Aborted` and `Lost`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError
from google.cloud.firestore_v1.services.firestore import FirestoreAsyncClient
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcAsyncIOTransport
from google.cloud.firestore_v1.types import firestore as calls

from libs.common.errors import Invalid, Unavailable
from libs.common.store.firestore.address import Address
from libs.common.store.firestore.connecting import Connection
from libs.common.store.firestore.pausing import pauses

T = TypeVar("T")

_TIMEOUT = 15.0  # seconds, of each call
_PATIENCE = 5.0  # seconds in which a read is begun again
_MOST_NAMES = 1000  # in one request
# Whoever sent what was answered so does not know whether it was done.
_UNKNOWN = (
    exceptions.ServiceUnavailable,
    exceptions.GatewayTimeout,
    exceptions.InternalServerError,
    exceptions.Unknown,
    exceptions.Cancelled,
)
_DENIED = (exceptions.Forbidden, exceptions.Unauthenticated)


class Moved(Exception):
    """A document was not as a precondition says: nothing was stored."""


class Aborted(Exception):
    """A commit met another, or its transaction had ended: nothing was stored."""


class Lost(Exception):
    """No answer to a commit came: it was stored, or not, or will be."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a read found at one moment: documents by name. `transaction` is the one that it began, if any."""

    documents: dict[str, Any]
    at: Any
    transaction: bytes = b""


@dataclass(frozen=True, slots=True)
class Found:
    """What a query found at one moment, in its order."""

    at: Any = None
    documents: list[Any] = field(default_factory=list)


class Client:
    """One database. It belongs to one event loop."""

    def __init__(self, address: Address) -> None:
        """Prepares calls; nothing is sent.

        Raises:
            Invalid: the credentials in the environment are malformed.
            Unavailable: there are none.
        """
        self._address = address
        connection = Connection.to(address, FirestoreGrpcAsyncIOTransport)
        self._connection = connection
        self._calls = FirestoreAsyncClient(transport=connection.transport)
        self._options: dict[str, Any] = {"retry": None, "timeout": _TIMEOUT, "metadata": connection.metadata}

    async def get(self, names: Sequence[str], fields: Iterable[str], *, as_of: Any = None) -> Seen:
        """Those of the documents that exist, with these fields, as they were at one moment."""
        documents: dict[str, Any] = {}
        for start in range(0, len(names), _MOST_NAMES):
            asked = self._asked(names[start : start + _MOST_NAMES], fields)
            if as_of is not None:
                asked.read_time.CopyFrom(as_of)
            seen = await self._reading(lambda asked=asked: self._get(asked))  # type: ignore[misc]
            documents |= seen.documents
            as_of = seen.at
        return Seen(documents, as_of)

    async def begin(self, names: Sequence[str], fields: Iterable[str]) -> Seen:
        """As `get`, in a new transaction: a commit in it is stored only if none of the documents changes before."""
        asked = self._asked(names, fields)
        asked.new_transaction.read_write.SetInParent()
        return await self._reading(lambda: self._get(asked))

    async def query(self, parent: str, query: Any) -> Found:
        """What a structured query finds."""

        async def run() -> Found:
            documents: list[Any] = []
            moment = None
            async for answer in await self._streamed(self._calls.run_query, asked):
                moment = answer.read_time
                if answer.HasField("document"):
                    documents.append(answer.document)
            return Found(moment, documents)

        asked = calls.RunQueryRequest.pb()(parent=parent, structured_query=query)
        return await self._reading(run)

    async def count(self, parent: str, query: Any) -> int:
        """How many documents a structured query finds."""

        async def run() -> int:
            async for answer in await self._streamed(self._calls.run_aggregation_query, asked):
                return int(answer.result.aggregate_fields["n"].integer_value)
            return 0

        asked = calls.RunAggregationQueryRequest.pb()(parent=parent)
        asked.structured_aggregation_query.structured_query.CopyFrom(query)
        asked.structured_aggregation_query.aggregations.add(alias="n").count.SetInParent()
        return await self._reading(run)

    async def commit(self, writes: Sequence[Any], transaction: bytes = b"") -> None:
        """All of the writes or none, once.

        Raises:
            Moved, Aborted, Lost: see there.
            Invalid: Firestore takes no such documents, or not as many at once.
            Unavailable: it takes none, and nothing was stored.
        """
        asked = calls.CommitRequest.pb()(database=self._address.name, writes=writes, transaction=transaction)
        try:
            await self._calls.commit(_wrapped(calls.CommitRequest, asked), **self._options)
        except exceptions.Aborted:
            raise Aborted from None
        except (exceptions.AlreadyExists, exceptions.NotFound, exceptions.FailedPrecondition):
            raise Moved from None
        except exceptions.InvalidArgument as error:
            # The one such answer that another attempt may mend.
            if transaction and "transaction" in error.message.lower():
                raise Aborted from None
            raise self._invalid() from None
        except _UNKNOWN:
            raise Lost from None
        except (exceptions.GoogleAPICallError, GoogleAuthError) as error:
            raise self._unavailable(error) from None

    async def rollback(self, transaction: bytes) -> None:
        """Lets go of what a transaction that is not committed holds."""
        asked = calls.RollbackRequest.pb()(database=self._address.name, transaction=transaction)
        try:
            await self._calls.rollback(_wrapped(calls.RollbackRequest, asked), **self._options)
        except (exceptions.GoogleAPICallError, GoogleAuthError):
            # It has ended already, or ends by itself after a minute.
            return

    async def close(self) -> None:
        """Lets go of the connections."""
        await self._connection.close()

    def _asked(self, names: Sequence[str], fields: Iterable[str]) -> Any:
        asked = calls.BatchGetDocumentsRequest.pb()(database=self._address.name, documents=names)
        asked.mask.field_paths.extend(fields)
        return asked

    async def _get(self, asked: Any) -> Seen:
        documents: dict[str, Any] = {}
        moment, transaction = None, b""
        async for answer in await self._streamed(self._calls.batch_get_documents, asked):
            transaction = answer.transaction or transaction
            moment = answer.read_time
            if answer.HasField("found"):
                documents[answer.found.name] = answer.found
        return Seen(documents, moment, transaction)

    async def _streamed(self, call: Callable[..., Any], asked: Any) -> AsyncIterator[Any]:
        answers = await call(_wrapped(getattr(calls, asked.DESCRIPTOR.name), asked), **self._options)

        async def plain() -> AsyncIterator[Any]:
            async for answer in answers:
                yield type(answer).pb(answer)

        return plain()

    async def _reading(self, read: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `read` returns, begun again while the database does not answer."""
        waits = pauses(_PATIENCE)
        while True:
            try:
                return await read()
            except (*_UNKNOWN, exceptions.Aborted, exceptions.ResourceExhausted) as error:
                pause = next(waits, None)
                if pause is None:
                    raise self._unavailable(error) from None
            except exceptions.InvalidArgument:
                raise self._invalid() from None
            except (exceptions.GoogleAPICallError, GoogleAuthError) as error:
                raise self._unavailable(error) from None
            await asyncio.sleep(pause)

    def _invalid(self) -> Invalid:
        # In our words, since the server's may repeat what was sent.
        return Invalid(f"{self._address} refuses it: it is too large, too deep or malformed", reason="STORE_REFUSES")

    def _unavailable(self, error: Exception) -> Unavailable:
        if isinstance(error, exceptions.FailedPrecondition) and "index" in error.message:
            text = "an index is missing or not ready: deploy those that `llmchat rules` makes"
            return Unavailable(f"{self._address}: {text}", retry_after=None)
        if isinstance(error, (*_DENIED, GoogleAuthError)):
            return Unavailable(
                f"{self._address}: the credentials are not accepted, or do not suffice", retry_after=None
            )
        if isinstance(error, exceptions.NotFound):
            return Unavailable(f"{self._address}: there is no such database", retry_after=None)
        return Unavailable(f"{self._address}: {type(error).__name__}")


def _wrapped(request: Any, asked: Any) -> Any:
    """The request as the generated client takes it, without a copy."""
    return request.wrap(asked)
