"""What this process writes at the moment."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

from libs.common.errors import DomainError
from services.messages.generation import LEFT, TAKEN_OVER, Generation, Outcome

_log = logging.getLogger(__name__)


class Running:
    """The generations of this process, each in a task of its own, by message id."""

    def __init__(self) -> None:
        self._running: dict[str, tuple[Generation, asyncio.Task[Outcome]]] = {}
        # Of these, those whose tokens come from outside.
        self._outside: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._running)

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._running

    @property
    def tasks(self) -> list[asyncio.Task[Outcome]]:
        """What they run in."""
        return [task for _, task in self._running.values()]

    def find(self, message_id: str) -> Generation | None:
        """The answer's generation, if it runs here."""
        generation, _ = self._running.get(message_id, (None, None))
        return generation

    def begin(
        self, generation: Generation, work: Coroutine[None, None, Outcome], *, from_outside: bool = False
    ) -> asyncio.Task[Outcome]:
        """Does the work of a generation, which runs until that has ended."""
        message_id = generation.message.id
        task = asyncio.create_task(self._until_ended(message_id, work))
        self._running[message_id] = (generation, task)
        if from_outside:
            self._outside.add(message_id)
        return task

    async def stop(self, message_id: str, outcome: Outcome) -> None:
        """Ends the generation, if it runs here; returns once its end is stored."""
        generation, task = self._running.get(message_id, (None, None))
        if generation is not None and task is not None:
            generation.stop(outcome)
            await asyncio.wait([task])

    async def stop_all(self, outcome: Outcome) -> None:
        """Ends every generation, those among them that begin meanwhile."""
        while self._running:
            await asyncio.gather(*(self.stop(id, outcome) for id in list(self._running)))

    def leave(self) -> None:
        """Has what comes from outside go on at another replica."""
        for message_id in self._outside:
            self._running[message_id][0].stop(LEFT)

    async def ends(self, until: float) -> None:
        """Returns once nothing runs any more, or at `until` on the loop's clock."""
        now = asyncio.get_running_loop().time
        while self._running and now() < until:
            await asyncio.wait(self.tasks, timeout=until - now())

    async def renew_forever(self, every: float) -> None:
        """Renews the leases, each time after `every` seconds; until cancelled."""
        while True:
            await asyncio.sleep(every)
            await asyncio.gather(*(self.renew(generation) for generation, _ in list(self._running.values())))

    async def renew(self, generation: Generation) -> None:
        """Renews the lease of what runs, which stops where it was lost."""
        try:
            if not await generation.lease.renew():
                generation.stop(TAKEN_OVER)
        except DomainError as error:
            _log.warning("the lease of %s could not be renewed: %s", generation.message.id, error.text)

    async def _until_ended(self, message_id: str, work: Coroutine[None, None, Outcome]) -> Outcome:
        try:
            return await work
        finally:
            del self._running[message_id]
            self._outside.discard(message_id)
