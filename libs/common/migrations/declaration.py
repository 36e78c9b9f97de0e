"""What a service declares of its documents' earlier versions: how they are brought up to date."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

from libs.common.store.port import CollectionSpec

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Migration(Generic[M]):
    """How a collection's documents of an earlier version become those of `to_version`.

    `upgrade` changes the document that it is given, by what stands in it alone. It must bear a document that is as it
    is to be already in part: a process of this version that changes an earlier one leaves its version as it is.
    """

    spec: CollectionSpec[M]
    to_version: int
    upgrade: Callable[[M], None]
