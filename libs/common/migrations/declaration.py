"""What a service declares of how its stored documents change from one version of it to the next."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from libs.common.documents.unit import Unit
from libs.common.store.port import CollectionSpec

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Upgrade(Generic[M]):
    """How a collection's documents of earlier versions become those of `to_version`, and back.

    Readers meet a document as `up` leaves it, whether it was rewritten yet or not. So it changes the document by what
    stands in it alone, and bears one that is as it is to be already in part. `down` takes back what `up` did, also from
    a document that was made new. `validate` says what is wrong with a document that was upgraded; nothing where all is
    well.
    """

    spec: CollectionSpec[M]
    to_version: int
    up: Callable[[M], None]
    down: Callable[[M], None]
    validate: Callable[[M], str]


@dataclass(frozen=True, slots=True)
class Backfill(Generic[M]):
    """What is made up for in a collection's documents from what else is stored; their version stays.

    `up` and `down` are given a page of documents as they are stored, and the unit that rewrites them, and return those
    that they have changed; what else they stage is part of the same commit. Both may meet a document a second time, and
    one that was written by this version of the service. `validate` says what is wrong with a document; nothing where
    all is well.
    """

    spec: CollectionSpec[M]
    up: Callable[[Unit, Sequence[M]], Awaitable[Sequence[M]]]
    down: Callable[[Unit, Sequence[M]], Awaitable[Sequence[M]]]
    validate: Callable[[Unit, M], Awaitable[str]]


Part = Upgrade[Any] | Backfill[Any]


@dataclass(frozen=True, slots=True)
class Migration:
    """What the file of a migration declares as its `MIGRATION`: the parts are gone through one after the other.

    `depends_on` names by their numbers earlier migrations of the service without which this one makes no sense.
    """

    description: str
    parts: tuple[Part, ...]
    depends_on: tuple[int, ...] = ()
