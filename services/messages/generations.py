"""The generations of this process: started, renewed, stopped, and sealed when their process has died."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from llmchat.messages.v1.message_pb2 import Message

from libs.common.clock import milliseconds
from libs.common.context import Call, Caller, enter_call
from libs.common.documents.documents import Documents
from libs.common.documents.leases import renew_lease
from libs.common.documents.system import LEASES
from libs.common.documents.unit import Unit
from libs.common.errors import Conflict, DomainError
from libs.common.events.outbox import Outbox
from libs.common.store.port import Query
from services.messages.chunks import read_tokens
from services.messages.collections import MESSAGES
from services.messages.endings import begin_answer, clean_up, end_answer
from services.messages.generation import CANCELLED, INTERRUPTED, Generation, Outcome, failure
from services.messages.history import build_prompt
from services.messages.hub import Hub
from services.messages.models import Models
from services.messages.rules import has_ended

_log = logging.getLogger(__name__)
# Seconds.
_ABOUT_TO_START = 0.005


class Generations:
    """Runs answers in tasks of its own: whoever watches may come and go."""

    def __init__(
        self,
        documents: Documents,
        outbox: Outbox,
        hub: Hub,
        models: Models,
        *,
        holder: str,
        linger: float,
        lease_seconds: float,
    ) -> None:
        self._documents = documents
        self._outbox = outbox
        self._hub = hub
        self._models = models
        self._linger = linger
        self.holder = holder
        self.lease_seconds = lease_seconds
        self._running: dict[str, tuple[Generation, asyncio.Task[None]]] = {}
        self._cancelling: set[asyncio.Task[None]] = set()
        self._stopping = False

    def start(self, answer: Message) -> None:
        """Generates an answer whose beginning is committed."""
        generation = Generation(answer, self._documents, self._hub, self._linger)
        self._running[answer.id] = (generation, asyncio.create_task(self._run(generation)))
        if self._stopping:
            generation.stop(INTERRUPTED)

    async def cancel(self, message_id: str) -> None:
        """Ends an answer with what it has, or takes a waiting one out of the queue; returns once that is stored."""
        while True:
            await self.stop(message_id, CANCELLED)
            if await self._end(message_id, CANCELLED, unless_here=True):
                return
            # Its turn has just come: the commit that began it is about to start it here.
            await asyncio.sleep(_ABOUT_TO_START)

    def stored_tokens(self, message_id: str, after_seq: int) -> list[str] | None:
        """The stored tokens of an answer that runs here, after the one numbered `after_seq`; None if it does not."""
        generation, _ = self._running.get(message_id, (None, None))
        return None if generation is None else generation.tokens[after_seq : generation.stored]

    def interrupt(self, message_id: str) -> None:
        """Cancels an answer that makes way for the next one, without waiting for its end."""
        task = asyncio.create_task(self.cancel(message_id))
        self._cancelling.add(task)
        task.add_done_callback(self._cancelling.discard)

    async def stop(self, message_id: str, outcome: Outcome) -> None:
        """Ends the generation, if it runs here; returns once its end is stored."""
        generation, task = self._running.get(message_id, (None, None))
        if generation is not None and task is not None:
            generation.stop(outcome)
            await asyncio.wait([task])

    async def run(self) -> None:
        """Seals what dead processes left, at the start and from then on; renews the leases of what runs here."""
        while True:
            await self._seal_abandoned()
            await asyncio.sleep(self.lease_seconds / 3)
            for generation, _ in list(self._running.values()):
                await self._documents.unit(partial(self._renew, generation.message))

    async def close(self) -> None:
        """Ends what still runs as INTERRUPTED, with all its tokens stored."""
        self._stopping = True
        while self._running:
            await asyncio.gather(*(self.stop(id, INTERRUPTED) for id in list(self._running)))

    async def _run(self, generation: Generation) -> None:
        answer = generation.message
        enter_call(Call(caller=Caller(user_id=answer.user_id, service="messages")))
        try:
            self._hub.announce(answer.id)
            outcome = await self._generate(generation)
            await self._end(answer.id, outcome, generation.tokens)
        except Conflict:
            _log.warning("the generation of %s was taken over", answer.id)
        except DomainError:
            # Its lease runs out and the answer is sealed with what is stored.
            _log.exception("the generation of %s could not be stored", answer.id)
        finally:
            del self._running[answer.id]

    async def _generate(self, generation: Generation) -> Outcome:
        answer = generation.message
        try:
            model = await self._models.get(answer.model_id)
            provider = self._models.provider(model)
            prompt, answer.context_tokens = await build_prompt(self._documents, model, answer)
        except DomainError as error:
            return failure(error)
        return await generation.run(provider, prompt)

    async def _end(
        self, message_id: str, outcome: Outcome, tokens: list[str] | None = None, *, unless_here: bool = False
    ) -> bool:
        """Commits the end of an answer with `tokens`, or with what is stored; False where it turns out to run here."""

        async def work(unit: Unit) -> tuple[bool, bool]:
            answer = await unit.find(MESSAGES, message_id)
            if answer is None or has_ended(answer):
                return True, await clean_up(unit, message_id)
            lease = await unit.find(LEASES, message_id)
            if unless_here and lease is not None and lease.holder == self.holder:
                return False, False
            running, _ = self._running.get(message_id, (None, None))
            if running is not None:
                answer.context_tokens = running.message.context_tokens
            all_tokens = await read_tokens(self._documents, answer, 0) if tokens is None else tokens
            following = await end_answer(unit, self._outbox, answer, outcome, all_tokens)
            if following is not None:
                await begin_answer(unit, following, self.holder, self.lease_seconds)
                unit.then(lambda: self.start(following))
            return True, await clean_up(unit, message_id)

        ended, clean = await self._documents.unit(work)
        if ended:
            self._hub.announce(message_id)
            while not clean:
                clean = await self._documents.unit(lambda unit: clean_up(unit, message_id))
        return ended

    async def _renew(self, message: Message, unit: Unit) -> None:
        await renew_lease(unit, message.id, message.generation, self.lease_seconds)

    async def _seal_abandoned(self) -> None:
        now = self._documents.clock()
        for lease in await self._documents.query(Query.where(LEASES, order="expires_at")):
            # The data folder is this process's alone, so another holder's process is dead, whenever its lease ends.
            abandoned = lease.holder != self.holder or milliseconds(lease.expires_at) <= now
            if abandoned and lease.id not in self._running:
                _log.info("sealing %s, which %s left", lease.id, lease.holder)
                await self._end(lease.id, INTERRUPTED)
