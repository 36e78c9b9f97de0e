"""A process that opens stores: `python -m tests.conformance.opening`.

It prints `ready`; then for every line that it reads, a place, it opens the store there, stores a thread of its own,
closes the store, and says so.
"""

from __future__ import annotations

import asyncio
import os
import sys

from tests.conformance.places import Place
from tests.conformance.specimens import put, thread


async def open_and_close(place: Place) -> None:
    """Opens the store, stores a thread and closes."""
    store = await place.open()
    await store.commit([put(thread(f"new.{os.getpid()}"), 0)])
    await store.close()


if __name__ == "__main__":
    print("ready", flush=True)  # noqa: T201
    for line in sys.stdin:
        asyncio.run(open_and_close(Place.parse(line.strip())))
        print("opened and closed", flush=True)  # noqa: T201
