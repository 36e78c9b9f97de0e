"""Answers that a process or a generator has left: begun where they wait, given back where no word was said, sealed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_PENDING, Message

from libs.common.clock import milliseconds
from libs.common.documents.documents import Documents
from libs.common.documents.system import LEASES
from libs.common.documents.unit import Unit
from libs.common.errors import DomainError
from libs.common.store.port import Cursor, Query
from services.messages.collections import EXTERNAL_ANSWERS, MESSAGES
from services.messages.external import UNCLAIMED, ExternalAnswers
from services.messages.generation import INTERRUPTED, Outcome
from services.messages.leases import Takeover

_log = logging.getLogger(__name__)
_LEASES_A_LOOK = 50


class Abandoned:
    """Looks after them by their leases."""

    def __init__(
        self,
        documents: Documents,
        takeover: Takeover,
        external: ExternalAnswers,
        begin: Callable[[Unit, Message], Awaitable[None]],
        seal: Callable[[str, Outcome], Awaitable[bool]],
    ) -> None:
        """`begin` stages that an answer is generated here; `seal` ends one unless its lease runs after all."""
        self._documents = documents
        self._takeover = takeover
        self._external = external
        self._begin = begin
        self._seal = seal

    async def take_up_all(self, take_up: Callable[[str], Awaitable[None]]) -> None:
        """Calls `take_up` with every answer whose lease has run out."""
        after = None
        while True:
            query = Query.where(LEASES, order="expires_at", after=after, limit=_LEASES_A_LOOK)
            abandoned = [one for one in await self._documents.query(query) if self._takeover.is_abandoned(one)]
            await asyncio.gather(*(take_up(one.id) for one in abandoned))
            if len(abandoned) < _LEASES_A_LOOK:
                return
            after = Cursor(milliseconds(abandoned[-1].expires_at), abandoned[-1].id)

    async def take_up(self, message_id: str) -> None:
        """Does with one of them what is to be done; nothing where another replica was faster."""
        try:
            outcome = await self._documents.unit(lambda unit: self._begin_or_give_back(unit, message_id))
            if outcome is not None:
                await self._seal(message_id, outcome)
        except DomainError as error:
            _log.warning("%s, which its process left, could not be taken up: %s", message_id, error.text)

    async def _begin_or_give_back(self, unit: Unit, message_id: str) -> Outcome | None:
        """Stages that the answer goes on; else how it is to end."""
        answer = await unit.find(MESSAGES, message_id)
        lease = await unit.find(LEASES, message_id)
        if answer is None or lease is None:
            return INTERRUPTED
        is_pending = answer.status == MESSAGE_STATUS_PENDING
        external = await unit.find(EXTERNAL_ANSWERS, message_id)
        if external is None:
            if not is_pending:
                return INTERRUPTED
            await self._begin(unit, answer)
        elif self._takeover.is_abandoned(lease):
            if is_pending:
                return UNCLAIMED
            return None if await self._external.release(unit, external, answer) else INTERRUPTED
        return None
