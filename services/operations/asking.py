"""How this service asks all others: one that is away is named."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from libs.common.context import current_call, enter_call
from libs.common.errors import Unavailable

# Seconds that a call has which is one of many of a long operation.
_PATIENCE = 30.0


@contextmanager
def asking(service: str) -> Iterator[None]:
    """Has what is asked within it fail with the service's name.

    Raises:
        Unavailable: the service is away.
    """
    try:
        yield
    except Unavailable as error:
        raise Unavailable(f"{service} is away: {error.text}") from error


def limit_the_next_call() -> None:
    """Gives what this task asks next half a minute: who does not answer must not keep an operation that has a day.

    An operation's own time goes on to limit the whole of it.
    """
    enter_call(replace(current_call(), deadline=time.monotonic() + _PATIENCE))
