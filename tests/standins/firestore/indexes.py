"""Which indexes there are: those declared, and what is automatic unless it is exempt.

https://firebase.google.com/docs/firestore/query-data/index-overview
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any, NamedTuple

from grpc import StatusCode

from tests.standins.firestore.errors import Refused
from tests.standins.firestore.values import at, key_of, leaves

ASCENDING, DESCENDING, CONTAINS = "ASCENDING", "DESCENDING", "CONTAINS"
NAME = ("__name__",)
_AUTOMATIC = frozenset({ASCENDING, DESCENDING, CONTAINS})
_MOST_ENTRIES = 40_000


class Part(NamedTuple):
    """A field of an index, and how it is indexed."""

    path: tuple[str, ...]
    mode: str


class Reversed:
    """Orders the other way round."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def __lt__(self, other: Reversed) -> bool:
        return bool(other.key < self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reversed) and self.key == other.key


def component(part: Part, value: Any) -> Any:
    """What the value is in an entry of the index."""
    key = key_of(value)
    return Reversed(key) if part.mode == DESCENDING else key


class Entries:
    """One index of one collection: an entry per document that has all of its fields, in order."""

    def __init__(self, parts: tuple[Part, ...], documents: Iterable[Any]) -> None:
        self.parts = parts
        self.rows: list[tuple[tuple[Any, ...], str]] = []
        for document in documents:
            self.rows += self._rows(document)
        self.rows.sort()

    def replace(self, old: Any, new: Any) -> None:
        """Follows a write; None where there is no document."""
        for row in self._rows(old) if old is not None else ():
            del self.rows[bisect_left(self.rows, row)]
        for row in self._rows(new) if new is not None else ():
            insort(self.rows, row)

    def _rows(self, document: Any) -> Iterator[tuple[tuple[Any, ...], str]]:
        choices: list[list[Any]] = []
        for part in self.parts:
            value = at(document, part.path)
            if value is None:
                return
            if part.mode == CONTAINS:
                elements = {key_of(one): one for one in value.array_value.values}
                choices.append([component(part, one) for one in elements.values()])
            else:
                choices.append([component(part, value)])
        for key in product(*choices):
            yield key, document.name


class Declared:
    """The composite indexes and the exceptions from automatic ones, by collection id."""

    def __init__(self) -> None:
        self.composites: dict[str, list[tuple[Part, ...]]] = defaultdict(list)
        self.exceptions: dict[str, dict[tuple[str, ...], frozenset[str]]] = defaultdict(dict)

    def automatic(self, collection: str, path: tuple[str, ...]) -> frozenset[str]:
        """How the field is indexed by itself: an exception counts for what is below it too."""
        exceptions = self.exceptions[collection]
        for length in range(len(path), 0, -1):
            if path[:length] in exceptions:
                return exceptions[path[:length]]
        return _AUTOMATIC

    def check(self, collection: str, equals: list[Part], orders: list[Part]) -> None:
        """Refuses a query that no index answers; `orders` ends with `__name__`."""
        wanted = {(part.path, part.mode == CONTAINS) for part in equals}
        *fields, last = orders
        by_name = last.mode if not fields else None
        automatic = all(
            self.automatic(collection, path) & ({CONTAINS} if contains else {ASCENDING, DESCENDING})
            for path, contains in wanted
        )
        if by_name == ASCENDING and automatic:
            return
        if (
            not wanted
            and fields
            and fields == [Part(fields[0].path, last.mode)]
            and self._orders(collection, fields[0])
        ):
            return
        for composite in self.composites[collection]:
            named = composite if composite[-1].path == NAME else (*composite, Part(NAME, _last_mode(composite)))
            head, tail = named[: len(wanted)], named[len(wanted) :]
            if {(part.path, part.mode == CONTAINS) for part in head} == wanted and list(tail) == orders:
                return
        text = "The query requires an index. You can create it here: https://console.firebase.google.com/"
        raise Refused(StatusCode.FAILED_PRECONDITION, text)

    def _orders(self, collection: str, part: Part) -> bool:
        return part.mode in self.automatic(collection, part.path)

    def count(self, collection: str, document: Any) -> None:
        """Refuses a document that has too many entries in indexes."""
        entries = 0
        for path, value in leaves(document):
            modes = self.automatic(collection, path)
            entries += len(modes - {CONTAINS})
            entries += len(value.array_value.values) if CONTAINS in modes else 0
        for composite in self.composites[collection]:
            arrays = [at(document, part.path) for part in composite if part.mode == CONTAINS]
            entries += sum(len(array.array_value.values) for array in arrays if array is not None) or 1
        if entries > _MOST_ENTRIES:
            raise Refused(StatusCode.INVALID_ARGUMENT, f"too many index entries for entity: {entries}")


def _last_mode(composite: tuple[Part, ...]) -> str:
    return DESCENDING if composite[-1].mode == DESCENDING else ASCENDING
