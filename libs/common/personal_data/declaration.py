"""What a service declares of the personal data it holds: which of its documents are a person's, and how they are found.

An order is one that no change of a document moves, or one in which changes move it towards the end alone. So what is
there from the beginning of an export to its end is in it; in the second case, what is changed meanwhile may be again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from libs.common.store.port import CollectionSpec

# The services that hold something of a person, in the order of an export.
HOLDERS = ("users", "threads", "messages", "operations")


@dataclass(frozen=True, slots=True)
class UnderOwnId:
    """The one document that has the person's id."""

    spec: CollectionSpec[Any]


@dataclass(frozen=True, slots=True)
class ByUser:
    """The documents whose `user_id` is the person's, by the index on it with this `order`."""

    spec: CollectionSpec[Any]
    order: str


@dataclass(frozen=True, slots=True)
class Below:
    """The documents that hang on those of `parents`, by the index on `field`, which holds a parent's id.

    The parents must be ordered by `id`.
    """

    parents: ByUser
    spec: CollectionSpec[Any]
    field: str
    order: str


PersonalSpec = UnderOwnId | ByUser | Below
