"""The security rules of a Firestore database: what persons may read of it by their own sign-in.

Services ask with credentials that no rule is asked about. Nobody writes by a person's sign-in, and what is not named
here nobody reads. A query is allowed if it asks for the owner's own: `where("index.user_id", "==", uid)`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor

from libs.common.store.fields import indexed_field
from libs.common.store.firestore.names import STORED, collection_name, index_path
from libs.common.store.port import CollectionSpec

_RULES = """\
rules_version = '2';
service cloud.firestore {{
  match /databases/{{database}}/documents {{
    match /{{collection}}/{{document}} {{
      allow read: if request.auth != null && (
        {conditions}
      );
    }}
  }}
}}
"""


def firestore_rules(
    services: Mapping[str, Iterable[CollectionSpec[Any]]], readable: Mapping[tuple[str, str], str]
) -> str:
    """What `firestore.rules` holds.

    Args:
        services: what each of them keeps.
        readable: by service and collection, the field that holds whose a document is; "" where all may read.

    Raises:
        ValueError: a collection is not there, or has no such field.
    """
    specs = {(service, spec.name): spec for service, some in services.items() for spec in some}
    missing = readable.keys() - specs.keys()
    if missing:
        raise ValueError(f"no such collections: {sorted(missing)}")
    conditions = [_condition(*place, specs[place], owner) for place, owner in sorted(readable.items())]
    return _RULES.format(conditions=" ||\n        ".join(conditions) or "false")


def _condition(service: str, collection: str, spec: CollectionSpec[Any], owner: str) -> str:
    named = f"collection == '{collection_name(service, collection)}'"
    if not owner:
        return named
    descriptor = spec.message.DESCRIPTOR
    # Raises where there is no such field.
    indexed_field(descriptor, owner)
    indexed = {path for index in spec.indexes for path in index.fields}
    path = index_path(owner) if owner in indexed else f"{STORED}.doc.{'.'.join(_json_names(descriptor, owner))}"
    return f"({named} && resource.data.{path} == request.auth.uid)"


def _json_names(holder: Descriptor | None, path: str) -> Iterator[str]:
    for name in path.split("."):
        if holder is not None:
            field = holder.fields_by_name[name]
            holder = field.message_type
            yield field.json_name
