"""Firestore's own messages, as google-cloud-firestore brings them, in their plain protobuf form."""

from __future__ import annotations

from typing import Any

from google.cloud.firestore_admin_v1.types import field, firestore_admin, index, operation
from google.cloud.firestore_v1.types import aggregation_result, common, document, query, write
from google.cloud.firestore_v1.types import firestore as service


def _plain(message: Any) -> Any:
    return message.pb()


Document = _plain(document.Document)
Value = _plain(document.Value)
MapValue = _plain(document.MapValue)
ArrayValue = _plain(document.ArrayValue)
Write = _plain(write.Write)
WriteResult = _plain(write.WriteResult)
FieldTransform = _plain(write.DocumentTransform.FieldTransform)
TransactionOptions = _plain(common.TransactionOptions)
Query = _plain(query.StructuredQuery)
FieldFilter = _plain(query.StructuredQuery.FieldFilter)
CompositeFilter = _plain(query.StructuredQuery.CompositeFilter)
AggregationResult = _plain(aggregation_result.AggregationResult)
Index = _plain(index.Index)
Field = _plain(field.Field)
IndexOperationMetadata = _plain(operation.IndexOperationMetadata)
FieldOperationMetadata = _plain(operation.FieldOperationMetadata)


def request(name: str) -> Any:
    """The request or response of that name, of the Firestore or of the FirestoreAdmin service."""
    return _plain(getattr(service, name, None) or getattr(firestore_admin, name))
