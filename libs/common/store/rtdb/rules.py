"""The security rules of a Realtime Database, made from the declarations of collections.

What they promise, whoever writes:

- A service writes below its own path alone. It signs in as `service:NAME`, which no person's sign-in can be: theirs are
  the ids of users.
- A document's `rev` begins at 1 and moves by one with each write, so an update of many paths is refused whole if one
  of its documents moved in between. `.validate` is not asked about a deletion; so a deleted document becomes a
  tombstone, which may be removed once it is a day old. Nothing that read the document can be under way by then.
- `absent/COLLECTION/KEY` may be set to nothing, which it is, while the document does not exist: so a commit asserts
  that, and many may at once.
- `commits/ID` is put by a commit, or by whoever gave it up, and by the first of them alone.
- `declared/COLLECTION/INDEX` may be set to nothing where the rules know the index: so a store that opens sees that.

Persons may read the documents that are declared as theirs, and write none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from google.protobuf.descriptor import Descriptor

from libs.common.store.fields import indexed_field
from libs.common.store.port import CollectionSpec, Index

Rules = dict[str, Any]

KEPT_MS = 24 * 3600 * 1000
"""Milliseconds that a tombstone stays, and what a commit left that was given up."""

BY_ID = "k/id"
_NO_DATA = "!newData.exists()"


def service_uid(service: str) -> str:
    """Who a service is to the rules."""
    return f"service:{service}"


def order_of(index: Index) -> str:
    """The path in a document's node of the string that an index orders by."""
    return f"k/by_{index.name}"


def database_rules(
    path: Sequence[str],
    services: Mapping[str, Iterable[CollectionSpec[Any]]],
    readable: Mapping[tuple[str, str], str] | None = None,
    *,
    kept_ms: int = KEPT_MS,
) -> Rules:
    """The rules of a whole database: what they do not name, nobody reads or writes.

    Args:
        path: the keys that lead to the services, as in the store's URL.
        services: what each of them keeps; `$service` stands for any name. Collections of one name are taken together.
        readable: by service and collection, the field that holds whose a document is; "" where all may read.
        kept_ms: milliseconds that a tombstone stays.

    Raises:
        ValueError: what is readable is no collection, or has no such field.
    """
    there = {(name, spec.name) for name, specs in services.items() for spec in specs}
    if missing := (readable or {}).keys() - there:
        raise ValueError(f"no such collections: {sorted(missing)}")
    node: Rules = {
        name: _service([*path], name, specs, readable or {}, kept_ms) for name, specs in sorted(services.items())
    }
    for key in reversed(path):
        node = {key: node}
    return {"rules": {".read": False, ".write": False, **node}}


def _service(
    path: list[str],
    name: str,
    specs: Iterable[CollectionSpec[Any]],
    readable: Mapping[tuple[str, str], str],
    kept_ms: int,
) -> Rules:
    collections: dict[str, list[CollectionSpec[Any]]] = {}
    for spec in specs:
        collections.setdefault(spec.name, []).append(spec)
    is_service = f"auth != null && auth.uid === {_named('service:', name)}"
    documents = _named("/".join([*path, ""]), name, "/documents/")
    revision = f"root.child({documents} + $collection + '/' + $document + '/revision')"
    is_old = f"data.child('at').val() < now - {kept_ms}"
    return {
        ".read": is_service,
        "documents": {
            collection: _documents(is_service, is_old, same, readable.get((name, collection)))
            for collection, same in sorted(collections.items())
        },
        "absent": {
            "$collection": {
                "$document": {
                    ".write": f"{is_service} && {_NO_DATA} && !({revision}.isNumber() && {revision}.val() > 0)",
                }
            }
        },
        "commits": {
            ".indexOn": ["at"],
            "$commit": {
                ".write": (
                    f"{is_service} && (newData.exists() ? !data.exists() : (!data.child('void').exists() || {is_old}))"
                ),
                ".validate": "newData.child('at').val() === now",
            },
        },
        "counts": {
            "$collection": {
                ".indexOn": [".value"],
                "$counted": {
                    ".write": f"{is_service} && (newData.exists() || data.val() === 0)",
                    ".validate": "newData.isNumber()",
                },
            }
        },
        "words": {
            "$collection": {
                ".write": is_service,
                "$within": {"$word": {"$document": {".validate": "newData.isString()"}}},
            }
        },
        "indexed": {"$collection": {".write": is_service, ".validate": "newData.isString()"}},
        "declared": {
            collection: {index: {".write": f"{is_service} && {_NO_DATA}"} for index in declared(same)}
            for collection, same in sorted(collections.items())
        },
    }


def declared(specs: Sequence[CollectionSpec[Any]]) -> list[str]:
    """The names by which a collection's orders are declared: of each index, and of the ids."""
    return sorted({"id", *(f"by_{index.name}" for spec in specs for index in spec.indexes)})


def _documents(is_service: str, is_old: str, specs: Sequence[CollectionSpec[Any]], owner: str | None) -> Rules:
    rules: Rules = {
        ".write": f"{is_service} && (newData.exists() || (data.child('revision').val() === 0 && {is_old}))",
        ".validate": (
            "newData.child('rev').val() === (data.exists() ? data.child('rev').val() + 1 : 1) && "
            "newData.child('revision').isNumber() && "
            "(newData.child('revision').val() >= 1 ? newData.child('k/id').isString() : "
            "(newData.child('revision').val() === 0 && newData.child('at').val() === now))"
        ),
    }
    if owner is not None:
        owned = f" && data.child('doc/{_json_path(specs[0], owner)}').val() === auth.uid" if owner else ""
        rules[".read"] = f"auth != null{owned}"
    return {".indexOn": [*(f"k/{name}" for name in declared(specs)), "at"], "$document": rules}


def _json_path(spec: CollectionSpec[Any], path: str) -> str:
    descriptor = cast(Descriptor, spec.message.DESCRIPTOR)
    indexed_field(descriptor, path)  # raises where there is no such field
    names: list[str] = []
    holder: Descriptor | None = descriptor
    for name in path.split("."):
        if holder is not None:
            names.append(holder.fields_by_name[name].json_name)
            holder = holder.fields_by_name[name].message_type
    return "/".join(names)


def _named(before: str, name: str, after: str = "") -> str:
    """An expression for the text with the name in it, which may be a variable of the rules."""
    if not name.startswith("$"):
        return f"'{before}{name}{after}'"
    return " + ".join(part for part in (f"'{before}'" if before else "", name, f"'{after}'" if after else "") if part)
