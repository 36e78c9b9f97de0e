"""How much a caller may ask: the port by which the pipeline asks before anything else is done for a call."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from libs.common.context import Caller


class Limits(Protocol):
    """Counts calls and open streams. Calls between services are not counted: they serve one that was."""

    async def admit(self, caller: Caller, address: str) -> None:
        """Counts a call of the caller, or of the address where nobody is signed in.

        Raises:
            Exhausted: there were too many; with the seconds to wait.
        """
        ...

    def stream(self, caller: Caller, address: str) -> AbstractAsyncContextManager[None]:
        """Counts a stream as open while the context is.

        Raises:
            Exhausted: too many are open already.
        """
        ...
