"""What is asked of every engine's bare driver: the work of our store, as briefly as the driver has it, as durable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

PAGE = 20


@dataclass(frozen=True, slots=True)
class Document:
    """One document in the forms in which engines keep it, made before anything is measured.

    `body` is what SQL engines keep, `json` what the others keep; `user` and `rank` are what pages are found by.
    """

    id: str
    user: str
    rank: int
    body: bytes
    json: dict[str, Any]


def sortable(document: Document) -> str:
    """One text that sorts by user and rank, for engines that order by one value."""
    return f"{document.user} {document.rank:016}"


class Bare(Protocol):
    """A driver and one collection of its own, with an index on `user` and `rank`."""

    async def open(self, url: str) -> None:
        """Connects to the engine at `url`, as our stores name it, and makes the collection."""
        ...

    async def get(self, id: str) -> object:
        """One document."""
        ...

    async def page(self, user: str) -> Sequence[object]:
        """The `PAGE` documents of a user with the highest ranks."""
        ...

    async def commit(self, documents: Sequence[Document]) -> None:
        """Stores new documents, all or none, to survive the loss of power."""
        ...

    async def close(self) -> None:
        """Lets go of the engine."""
        ...
