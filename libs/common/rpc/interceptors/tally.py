"""How many calls a process answers."""

from __future__ import annotations

from libs.common.context import Caller


class Tally:
    """Calls of people, of their programs and of nobody in particular, that were let in; not those of services.

    `calls` are those that nobody has been told of yet.
    """

    def __init__(self) -> None:
        self.calls = 0

    def count(self, caller: Caller) -> None:
        """One more call."""
        if not caller.service:
            self.calls += 1
