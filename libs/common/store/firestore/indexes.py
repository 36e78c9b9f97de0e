"""The indexes that declarations ask for, as `firestore.indexes.json` says them.

https://firebase.google.com/docs/reference/firestore/indexes

Each order is declared both ways, since Firestore reads no index backwards. What is not declared is exempt from the
indexes that Firestore makes by itself: they would cost each write, refuse what is too much for them, and slow down
writes where values only grow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from libs.common.store.firestore.names import INDEX, PARTS, STORED, WORDS_PATH, collection_name, index_path
from libs.common.store.port import CollectionSpec

Json = dict[str, Any]

_BOTH_WAYS = ("ASCENDING", "DESCENDING")


def firestore_indexes(services: Mapping[str, Iterable[CollectionSpec[Any]]]) -> Json:
    """What `firestore.indexes.json` holds for these services' collections."""
    indexes: list[Json] = []
    overrides: list[Json] = [_exempt(PARTS, "body")]
    for service, specs in sorted(services.items()):
        for spec in sorted(specs, key=lambda spec: spec.name):
            collection = collection_name(service, spec.name)
            indexes += [_composite(collection, fields) for fields in _composites(spec)]
            overrides.append(_exempt(collection, STORED))
            if spec.indexes or spec.text:
                overrides.append(_exempt(collection, INDEX))
            overrides += [_ordered(collection, path) for path in _alone(spec)]
    return {"indexes": indexes, "fieldOverrides": overrides}


def _composites(spec: CollectionSpec[Any]) -> Iterator[list[Json]]:
    for index in spec.indexes:
        for way in _BOTH_WAYS if index.equals else ():
            equals = [{"fieldPath": index_path(path), "order": "ASCENDING"} for path in index.equals]
            yield [*equals, {"fieldPath": index_path(index.order), "order": way}]
    if spec.text:
        within = {"fieldPath": index_path(spec.text.within), "order": "ASCENDING"}
        yield [within, {"fieldPath": WORDS_PATH, "arrayConfig": "CONTAINS"}]


def _alone(spec: CollectionSpec[Any]) -> list[str]:
    """What is ordered without any equality."""
    return [index_path(index.order) for index in spec.indexes if not index.equals]


def _composite(collection: str, fields: list[Json]) -> Json:
    return {"collectionGroup": collection, "queryScope": "COLLECTION", "fields": fields}


def _exempt(collection: str, path: str) -> Json:
    return {"collectionGroup": collection, "fieldPath": path, "indexes": []}


def _ordered(collection: str, path: str) -> Json:
    indexes = [{"order": way, "queryScope": "COLLECTION"} for way in _BOTH_WAYS]
    return {"collectionGroup": collection, "fieldPath": path, "indexes": indexes}
