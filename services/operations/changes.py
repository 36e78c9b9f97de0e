"""Changes of operations as they happen in this process. A hint; the store is the truth."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from llmchat.operations.v1.operation_pb2 import Operation

Listener = Callable[[Operation], None]
# None in place of an operation: the process is stopping.
Watched = asyncio.Queue[Operation | None]
_QUEUE_SIZE = 100


class Changes:
    """Hands every stored change to the listeners, and to the watchers of that operation."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._watchers: defaultdict[str, set[Watched]] = defaultdict(set)
        self._closed = False

    def listen(self, listener: Listener) -> None:
        """Calls `listener` at every change."""
        self._listeners.append(listener)

    @contextmanager
    def watch(self, id: str) -> Iterator[Watched]:
        """A queue of the operation's changes from here on; what does not fit a full one is left out."""
        queue: Watched = asyncio.Queue(_QUEUE_SIZE)
        if self._closed:
            queue.put_nowait(None)
        self._watchers[id].add(queue)
        try:
            yield queue
        finally:
            self._watchers[id].discard(queue)
            if not self._watchers[id]:
                del self._watchers[id]

    def publish(self, operation: Operation) -> None:
        """Tells of a change that is stored."""
        for listener in self._listeners:
            listener(operation)
        for queue in self._watchers.get(operation.id, ()):
            if not queue.full():
                queue.put_nowait(operation)

    async def close(self) -> None:
        """Ends every watch, and those that come later too."""
        self._closed = True
        for queues in self._watchers.values():
            for queue in queues:
                if queue.full():
                    queue.get_nowait()
                queue.put_nowait(None)
