"""What a service declares of its documents' references: which must be there, and which others may refer to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from libs.common.store.port import CollectionSpec

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class KindSpec(Generic[M]):
    """A kind of the table of kinds: the documents of a collection, or those of them for which `counts` holds."""

    kind: str
    spec: CollectionSpec[M]
    counts: Callable[[M], bool] | None = None


@dataclass(frozen=True, slots=True)
class ReferenceSpec(Generic[M]):
    """That a collection's documents refer to documents of a kind: `targets` gives their ids; an empty one is none."""

    spec: CollectionSpec[M]
    kind: str
    targets: Callable[[M], Iterable[str]]


@dataclass(frozen=True, slots=True)
class References:
    """All that one service declares."""

    kinds: tuple[KindSpec[Any], ...] = ()
    references: tuple[ReferenceSpec[Any], ...] = ()

    @property
    def collections(self) -> tuple[CollectionSpec[Any], ...]:
        """Those whose documents refer to something, each once."""
        return tuple({reference.spec.name: reference.spec for reference in self.references}.values())
