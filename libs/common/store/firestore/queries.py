"""The port's queries in Firestore's words."""

from __future__ import annotations

from typing import Any

from google.cloud.firestore_v1.types import query as types
from google.protobuf.wrappers_pb2 import Int32Value

from libs.common.store.firestore.layout import READ, Layout, token_for
from libs.common.store.firestore.names import ID, WORDS_PATH, index_path
from libs.common.store.firestore.values import Value, ordered, to_value
from libs.common.store.port import M, Query, Search, UnindexedQuery
from libs.common.store.rules import prefix_end

_Query = types.StructuredQuery.pb()
_Filter = _Query.Filter
_FieldFilter = _Query.FieldFilter
_Composite = _Query.CompositeFilter
_Order = _Query.Order
_Field = _Query.FieldReference
_Cursor = types.Cursor.pb()
_NAME = "__name__"


def selected(layout: Layout[M], query: Query[M]) -> Any:
    """What finds the documents after the query's cursor, in its order.

    Raises:
        UnindexedQuery: the store was opened without the query's index.
        Unfit, ValueError: a value is none that Firestore could hold.
    """
    asked = _held(layout, query, with_cursor=True)
    asked.limit.CopyFrom(Int32Value(value=query.limit))
    asked.select.fields.extend(_Field(field_path=field) for field in READ)
    if query.index is not None and query.after is not None:
        asked.start_at.CopyFrom(_cursor(layout, query))
    return asked


def counted(layout: Layout[M], query: Query[M]) -> Any:
    """What finds all that the query's equalities or prefix hold; raises as `selected`."""
    return _held(layout, query, with_cursor=False)


def candidates(layout: Layout[M], search: Search[M]) -> Any:
    """What finds all documents that a search may find, and more; raises as `selected`."""
    if layout.spec.text is None:
        raise UnindexedQuery(f"{layout.spec.name}: the store was opened without a text index")
    within = _compare(index_path(layout.spec.text.within), _FieldFilter.EQUAL, search.within)
    token = _compare(WORDS_PATH, _FieldFilter.ARRAY_CONTAINS, token_for(search.words))
    asked = _Query(where=_all([within, token]))
    asked.from_.add(collection_id=layout.collection)
    asked.select.fields.extend(_Field(field_path=field) for field in READ)
    return asked


def page(layout: Layout[M], after: str, limit: int) -> Any:
    """Whole documents in the order of their names, after the one of that name."""
    asked = _Query(limit=Int32Value(value=limit), order_by=[_Order(field=_Field(field_path=_NAME))])
    asked.from_.add(collection_id=layout.collection)
    if after:
        asked.start_at.CopyFrom(_Cursor(values=[Value(reference_value=after)], before=False))
    return asked


def _held(layout: Layout[M], query: Query[M], *, with_cursor: bool) -> Any:
    asked = _Query()
    asked.from_.add(collection_id=layout.collection)
    if query.index is None:
        order = ID
        filters = _bounds(query, query.after.id if with_cursor and query.after is not None else "")
    elif query.index in layout.spec.indexes:
        order = index_path(query.index.order)
        pairs = zip(query.index.equals, query.equals, strict=True)
        filters = [_compare(index_path(path), _FieldFilter.EQUAL, value) for path, value in pairs]
    else:
        raise UnindexedQuery(f"{layout.spec.name}: the store was opened without the index {query.index.name}")
    if filters:
        asked.where.CopyFrom(_all(filters))
    way = _Query.DESCENDING if query.descending else _Query.ASCENDING
    # The name at last in the direction of what is before it: so are all indexes.
    asked.order_by.extend(_Order(field=_Field(field_path=field), direction=way) for field in (order, _NAME))
    return asked


def _bounds(query: Query[M], after: str) -> list[Any]:
    """The ids that begin with the prefix, and of those the ones after `after`."""
    low, is_past = query.prefix, False
    high = prefix_end(query.prefix)
    if after and query.descending:
        high = after if high is None else min(after, high)
    elif after and after >= low:
        low, is_past = after, True
    bounds = []
    if low:
        bounds.append(_compare(ID, _FieldFilter.GREATER_THAN if is_past else _FieldFilter.GREATER_THAN_OR_EQUAL, low))
    if high is not None:
        bounds.append(_compare(ID, _FieldFilter.LESS_THAN, high))
    return bounds


def _cursor(layout: Layout[M], query: Query[M]) -> Any:
    assert query.after is not None and query.after.value is not None  # noqa: S101, PT018
    values = [to_value(ordered(query.after.value))]
    if query.after.id:
        values.append(Value(reference_value=layout.name(query.after.id)))
    return _Cursor(values=values, before=not query.after.id)


def _compare(path: str, comparison: int, value: Any) -> Any:
    compared = _FieldFilter(field=_Field(field_path=path), op=comparison, value=to_value(ordered(value)))
    return _Filter(field_filter=compared)


def _all(filters: list[Any]) -> Any:
    if len(filters) == 1:
        return filters[0]
    return _Filter(composite_filter=_Composite(op=_Composite.AND, filters=filters))
