"""Structured queries as a range of an index: equalities first, then what is ordered, the document's name at last."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import Any

from grpc import StatusCode

from tests.standins.firestore.errors import Refused, invalid
from tests.standins.firestore.indexes import ASCENDING, CONTAINS, DESCENDING, NAME, Entries, Part, Reversed, component
from tests.standins.firestore.messages import CompositeFilter, FieldFilter, Query
from tests.standins.firestore.values import key_of, path_of

_RANGES = {
    FieldFilter.LESS_THAN: "<",
    FieldFilter.LESS_THAN_OR_EQUAL: "<=",
    FieldFilter.GREATER_THAN: ">",
    FieldFilter.GREATER_THAN_OR_EQUAL: ">=",
}


@dataclass
class Plan:
    """What a query asks of which index."""

    collection: str
    equals: list[Part] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    orders: list[Part] = field(default_factory=list)
    # (comparison, value) of the field that is ordered first.
    ranges: list[tuple[str, Any]] = field(default_factory=list)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The fields of the index that answers it."""
        return (*self.equals, *self.orders)


def plan(query: Any) -> Plan:
    """Takes a query apart; what the stand-in does not know is UNIMPLEMENTED."""
    if len(query.from_) != 1 or query.from_[0].all_descendants or query.HasField("find_nearest"):
        raise Refused(StatusCode.UNIMPLEMENTED, "the stand-in queries one collection")
    planned = Plan(query.from_[0].collection_id)
    ranged: list[tuple[tuple[str, ...], str, Any]] = []
    for one in _filters(query.where) if query.HasField("where") else ():
        path = path_of(one.field.field_path)
        if one.op in _RANGES:
            ranged.append((path, _RANGES[one.op], one.value))
        elif one.op in (FieldFilter.EQUAL, FieldFilter.ARRAY_CONTAINS):
            mode = CONTAINS if one.op == FieldFilter.ARRAY_CONTAINS else ASCENDING
            planned.equals.append(Part(path, mode))
            planned.values.append(one.value)
        else:
            raise Refused(StatusCode.UNIMPLEMENTED, "the stand-in knows no such operator")
    if sum(part.mode == CONTAINS for part in planned.equals) > 1:
        raise invalid("A maximum of 1 'ARRAY_CONTAINS' filter is allowed per disjunction.")
    orders = [
        Part(path_of(order.field.field_path), DESCENDING if order.direction == Query.DESCENDING else ASCENDING)
        for order in query.order_by
    ]
    if len({path for path, _, _ in ranged}) > 1:
        raise Refused(StatusCode.UNIMPLEMENTED, "the stand-in knows ranges of one field")
    if ranged and not orders:
        orders = [Part(ranged[0][0], ASCENDING)]
    if ranged and ranged[0][0] != orders[0].path:
        raise invalid("inequality filter property and first sort order must be the same")
    if not orders or orders[-1].path != NAME:
        orders.append(Part(NAME, orders[-1].mode if orders else ASCENDING))
    planned.orders = orders
    planned.ranges = [(comparison, value) for _, comparison, value in ranged]
    return planned


def found(query: Any, planned: Plan, index: Entries) -> list[str]:
    """The names that the query finds, in its order, without offset and limit."""
    rows = index.rows
    prefix = tuple(map(component, planned.equals, planned.values))
    starts, ends = [_left(rows, prefix)], [_right(rows, prefix)]
    for comparison, value in planned.ranges:
        part = planned.orders[0]
        bound = (*prefix, component(part, value))
        rank = key_of(value)[:1]
        first, last = rank, (rank[0] + 1,)
        low, high = (last, first) if part.mode == DESCENDING else (first, last)
        starts.append(_left(rows, (*prefix, _like(part, low))))
        ends.append(_left(rows, (*prefix, _like(part, high))))
        if comparison.startswith(">") != (part.mode == DESCENDING):
            starts.append(_left(rows, bound) if comparison.endswith("=") else _right(rows, bound))
        else:
            ends.append(_right(rows, bound) if comparison.endswith("=") else _left(rows, bound))
    for cursor, side in ((query.start_at, starts), (query.end_at, ends)):
        if cursor.values:
            if len(cursor.values) > len(planned.orders):
                raise invalid("Cursor has too many values.")
            place = (*prefix, *map(component, planned.orders, cursor.values))
            side.append(_left(rows, place) if cursor.before else _right(rows, place))
    return [name for _, name in rows[max(starts) : min(ends)]]


def _filters(where: Any) -> list[Any]:
    match where.WhichOneof("filter_type"):
        case "field_filter":
            return [where.field_filter]
        case "composite_filter" if where.composite_filter.op == CompositeFilter.AND:
            return [one for part in where.composite_filter.filters for one in _filters(part)]
    raise Refused(StatusCode.UNIMPLEMENTED, "the stand-in knows no such filter")


def _like(part: Part, key: tuple[Any, ...]) -> Any:
    return Reversed(key) if part.mode == DESCENDING else key


def _left(rows: list[Any], place: tuple[Any, ...]) -> int:
    return bisect_left(rows, place, key=lambda row: row[0][: len(place)])


def _right(rows: list[Any], place: tuple[Any, ...]) -> int:
    return bisect_right(rows, place, key=lambda row: row[0][: len(place)])
