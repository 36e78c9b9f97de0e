"""What comes one by one, together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeVar

Item = TypeVar("Item")


async def all_of(items: AsyncIterator[Item]) -> list[Item]:
    """The items in order, once all have come."""
    return [item async for item in items]
