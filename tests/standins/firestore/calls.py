"""The calls of google.firestore.v1.Firestore."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from typing import Any

from google.protobuf.empty_pb2 import Empty
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from tests.standins.firestore.documents import Database, timestamp
from tests.standins.firestore.errors import Refused, invalid
from tests.standins.firestore.faults import Fate, Faults
from tests.standins.firestore.messages import AggregationResult, Document, TransactionOptions, Value, request
from tests.standins.firestore.values import at, path_of, put_at

_LARGEST_REQUEST = 10 * 1024 * 1024
BatchGetDocumentsResponse = request("BatchGetDocumentsResponse")
BatchWriteResponse = request("BatchWriteResponse")
BeginTransactionResponse = request("BeginTransactionResponse")
CommitResponse = request("CommitResponse")
ListDocumentsResponse = request("ListDocumentsResponse")
RunAggregationQueryResponse = request("RunAggregationQueryResponse")
RunQueryResponse = request("RunQueryResponse")


class FirestoreCalls:
    """Each method is the RPC of its name; those that stream are generators."""

    def __init__(self, database: Callable[[str], Database], faults: Faults) -> None:
        self._database = database
        self._faults = faults

    async def GetDocument(self, asked: Any) -> Any:
        database = self._of(asked.name)
        read_at = _moment(asked)
        document = database.read(asked.name, asked.transaction, read_at)
        if document is None:
            raise Refused(StatusCode.NOT_FOUND, f'Document "{asked.name}" not found.')
        return _masked(document, asked.mask.field_paths if asked.HasField("mask") else None)

    async def ListDocuments(self, asked: Any) -> Any:
        if asked.order_by:
            raise Refused(StatusCode.UNIMPLEMENTED, "the stand-in lists by name")
        after = base64.urlsafe_b64decode(asked.page_token).decode()
        documents = self._of(asked.parent).documents(f"{asked.parent}/{asked.collection_id}")
        rest = [document for document in documents if document.name > after]
        page = rest[: asked.page_size or 100]
        more = len(page) < len(rest)
        token = base64.urlsafe_b64encode(page[-1].name.encode()).decode() if more else ""
        return ListDocumentsResponse(documents=page, next_page_token=token)

    async def BatchGetDocuments(self, asked: Any) -> AsyncIterator[Any]:
        database = self._database(asked.database)
        transaction, begun = _transaction(database, asked)
        if begun:
            yield BatchGetDocumentsResponse(transaction=transaction)
        read_at = _moment(asked)
        now = timestamp(database.now())
        mask = asked.mask.field_paths if asked.HasField("mask") else None
        found = [(name, database.read(name, transaction, read_at)) for name in dict.fromkeys(asked.documents)]
        for name, document in found:
            if document is None:
                yield BatchGetDocumentsResponse(missing=name, read_time=now)
            else:
                yield BatchGetDocumentsResponse(found=_masked(document, mask), read_time=now)

    async def RunQuery(self, asked: Any) -> AsyncIterator[Any]:
        database = self._of(asked.parent)
        transaction, begun = _transaction(database, asked)
        if asked.HasField("read_time"):
            raise Refused(StatusCode.UNIMPLEMENTED, "the stand-in queries the present")
        query = asked.structured_query
        found = database.query(asked.parent, query, transaction)
        now = timestamp(database.now())
        mask = [one.field_path for one in query.select.fields] if query.HasField("select") else None
        yield RunQueryResponse(transaction=transaction if begun else b"", read_time=now)
        for document in found:
            yield RunQueryResponse(document=_masked(document, mask), read_time=now)

    async def RunAggregationQuery(self, asked: Any) -> AsyncIterator[Any]:
        database = self._of(asked.parent)
        transaction, begun = _transaction(database, asked)
        query = asked.structured_aggregation_query
        count = len(database.query(asked.parent, query.structured_query, transaction))
        fields = {}
        for number, aggregation in enumerate(query.aggregations):
            if not aggregation.HasField("count"):
                raise Refused(StatusCode.UNIMPLEMENTED, "the stand-in counts")
            most = aggregation.count.up_to.value if aggregation.count.HasField("up_to") else count
            fields[aggregation.alias or f"field_{number + 1}"] = Value(integer_value=min(count, most))
        yield RunAggregationQueryResponse(
            result=AggregationResult(aggregate_fields=fields),
            transaction=transaction if begun else b"",
            read_time=timestamp(database.now()),
        )

    async def BeginTransaction(self, asked: Any) -> Any:
        return BeginTransactionResponse(transaction=self._database(asked.database).begin(asked.options))

    async def Rollback(self, asked: Any) -> Any:
        self._database(asked.database).end(asked.transaction)
        return Empty()

    async def Commit(self, asked: Any) -> Any:
        if asked.ByteSize() > _LARGEST_REQUEST:
            raise invalid(f"Request payload size exceeds the limit: {_LARGEST_REQUEST} bytes.")
        fate = self._faults.next()
        if fate is Fate.ABORTED:
            raise Refused(StatusCode.ABORTED, "the stand-in aborted the commit")
        if fate is Fate.LOST:
            await self._faults.meanwhile()
            raise Refused(StatusCode.UNAVAILABLE, "the stand-in lost the request")
        results, moment = self._database(asked.database).commit(asked.writes, asked.transaction)
        if fate is Fate.DROPPED:
            await self._faults.meanwhile()
            raise Refused(StatusCode.UNAVAILABLE, "the stand-in dropped the answer")
        return CommitResponse(write_results=results, commit_time=timestamp(moment))

    async def BatchWrite(self, asked: Any) -> Any:
        answer = BatchWriteResponse()
        for write in asked.writes:
            try:
                (result,), _ = self._database(asked.database).commit([write], b"")
            except Refused as refused:
                answer.write_results.add()
                code, _ = refused.code.value
                answer.status.append(Status(code=code, message=refused.text))
            else:
                answer.write_results.append(result)
                answer.status.append(Status())
        return answer

    def _of(self, name: str) -> Database:
        return self._database(name.split("/documents", 1)[0])


def _transaction(database: Database, asked: Any) -> tuple[bytes, bool]:
    """The transaction to read in, if any, and whether it begins here."""
    if asked.HasField("new_transaction"):
        return database.begin(asked.new_transaction or TransactionOptions()), True
    return asked.transaction, False


def _moment(asked: Any) -> int | None:
    return asked.read_time.ToMicroseconds() if asked.HasField("read_time") else None


def _masked(document: Any, mask: Any) -> Any:
    """The document with the fields alone that the mask names; without a mask all."""
    if mask is None:
        return document
    kept = Document(name=document.name, create_time=document.create_time, update_time=document.update_time)
    for text in mask:
        path = path_of(text)
        value = None if text == "__name__" else at(document, path)
        if value is not None:
            put_at(kept, path, value)
    return kept
