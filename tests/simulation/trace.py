"""What happened in a run, in order: a digest of it always, its lines where someone reads along."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

Clock = Callable[[], float]


class Trace:
    """Two runs with one digest went the same way. `show` gets each line."""

    def __init__(self, show: Callable[[str], None] | None = None) -> None:
        self._show = show
        self._hash = hashlib.blake2b(digest_size=16)
        self.clock: Clock = lambda: 0.0

    @property
    def is_shown(self) -> bool:
        """Whether somebody reads along."""
        return self._show is not None

    def note(self, what: str, *about: object) -> None:
        """One thing that happened; `about` is named, in an order that every run keeps."""
        line = f"{self.clock():12.6f} {what} {' '.join(map(str, about))}"
        self._hash.update(line.encode())
        if self._show is not None:
            self._show(line)

    def tell(self, line: str) -> None:
        """A line for readers alone."""
        if self._show is not None:
            self._show(f"{self.clock():12.6f}   {line}")

    def digest(self) -> str:
        """The digest of all notes so far."""
        return self._hash.hexdigest()
