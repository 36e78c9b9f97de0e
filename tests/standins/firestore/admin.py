"""The calls of google.firestore.admin.v1.FirestoreAdmin that are about indexes. An index is ready at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from google.longrunning.operations_pb2 import Operation
from google.protobuf.message import Message
from grpc import StatusCode

from tests.standins.firestore.documents import Database
from tests.standins.firestore.errors import Refused
from tests.standins.firestore.indexes import ASCENDING, CONTAINS, DESCENDING, Part
from tests.standins.firestore.messages import Field, FieldOperationMetadata, Index, IndexOperationMetadata, request
from tests.standins.firestore.values import path_of

ListIndexesResponse = request("ListIndexesResponse")
ListFieldsResponse = request("ListFieldsResponse")
_IndexField = Index.IndexField


class AdminCalls:
    """Each method is the RPC of its name."""

    def __init__(self, database: Callable[[str], Database]) -> None:
        self._database = database

    async def CreateIndex(self, asked: Any) -> Any:
        database, collection = self._of(asked.parent)
        composite = tuple(_part(field) for field in asked.index.fields)
        if composite in database.declared.composites[collection]:
            raise Refused(StatusCode.ALREADY_EXISTS, "index already exists")
        database.declared.composites[collection].append(composite)
        asked.index.state = Index.READY
        return _done(asked.index, IndexOperationMetadata())

    async def ListIndexes(self, asked: Any) -> Any:
        database, collection = self._of(asked.parent)
        names = list(database.declared.composites) if collection == "-" else [collection]
        return ListIndexesResponse(indexes=[one for name in names for one in _indexes(asked.parent, name, database)])

    async def UpdateField(self, asked: Any) -> Any:
        parent, _, text = asked.field.name.partition("/fields/")
        database, collection = self._of(parent)
        config = asked.field.index_config
        exceptions = database.declared.exceptions[collection]
        exceptions[path_of(text)] = frozenset(_part(index.fields[0]).mode for index in config.indexes)
        return _done(asked.field, FieldOperationMetadata())

    async def ListFields(self, asked: Any) -> Any:
        database, collection = self._of(asked.parent)
        names = list(database.declared.exceptions) if collection == "-" else [collection]
        return ListFieldsResponse(fields=[one for name in names for one in _fields(asked.parent, name, database)])

    def _of(self, parent: str) -> tuple[Database, str]:
        name, _, collection = parent.partition("/collectionGroups/")
        return self._database(name), collection


def declare(database: Database, content: dict[str, Any]) -> None:
    """Takes what a `firestore.indexes.json` declares."""
    for index in content.get("indexes", []):
        parts = tuple(_json_part(field) for field in index["fields"])
        database.declared.composites[index["collectionGroup"]].append(parts)
    for override in content.get("fieldOverrides", []):
        modes = frozenset(index.get("order") or index["arrayConfig"] for index in override["indexes"])
        database.declared.exceptions[override["collectionGroup"]][path_of(override["fieldPath"])] = modes


def _json_part(field: dict[str, str]) -> Part:
    return Part(path_of(field["fieldPath"]), field.get("order") or field["arrayConfig"])


def _part(field: Any) -> Part:
    if field.array_config == _IndexField.CONTAINS:
        return Part(path_of(field.field_path), CONTAINS)
    return Part(path_of(field.field_path), DESCENDING if field.order == _IndexField.DESCENDING else ASCENDING)


def _message(part: Part) -> Any:
    path = ".".join(part.path)
    if part.mode == CONTAINS:
        return _IndexField(field_path=path, array_config=_IndexField.CONTAINS)
    return _IndexField(field_path=path, order=_IndexField.Order.Value(part.mode))


def _indexes(parent: str, collection: str, database: Database) -> Iterator[Any]:
    group = f"{parent.partition('/collectionGroups/')[0]}/collectionGroups/{collection}"
    for number, composite in enumerate(database.declared.composites[collection]):
        yield Index(
            name=f"{group}/indexes/{number}",
            query_scope=Index.COLLECTION,
            fields=map(_message, composite),
            state=Index.READY,
        )


def _fields(parent: str, collection: str, database: Database) -> Iterator[Any]:
    group = f"{parent.partition('/collectionGroups/')[0]}/collectionGroups/{collection}"
    for path, modes in database.declared.exceptions[collection].items():
        indexes = [
            Index(query_scope=Index.COLLECTION, fields=[_message(Part(path, mode))], state=Index.READY)
            for mode in sorted(modes)
        ]
        yield Field(name=f"{group}/fields/{'.'.join(path)}", index_config=Field.IndexConfig(indexes=indexes))


def _done(response: Message, metadata: Message) -> Operation:
    operation = Operation(name="done", done=True)
    operation.response.Pack(response)
    operation.metadata.Pack(metadata)
    return operation
