"""How this service asks all others: one that is away is named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from libs.common.errors import Unavailable


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
