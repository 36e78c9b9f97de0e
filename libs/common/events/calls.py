"""What a process tells of the calls that it has answered."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

from llmchat.events.v1.events_pb2 import CallsCounted

from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.errors import DomainError
from libs.common.events.outbox import Outbox
from libs.common.rpc.interceptors.tally import Tally

_log = logging.getLogger(__name__)
_SECONDS = 60.0
_DAY_MS = 24 * 3600 * 1000


class CallsTold:
    """Tells of the calls in `tally` by the outbox of one of the process's services."""

    def __init__(self, tally: Tally, documents: Documents, outbox: Outbox) -> None:
        self._tally = tally
        self._documents = documents
        self._outbox = outbox
        self._date = self._today()

    async def run(self) -> None:
        """Tells once a minute and at midnight, until cancelled."""
        while True:
            to_midnight = (_DAY_MS - self._documents.clock() % _DAY_MS) / 1000
            await asyncio.sleep(min(_SECONDS, to_midnight))
            await self.tell()

    async def tell(self) -> None:
        """Tells of those that nobody has been told of. What cannot be stored is told next time."""
        calls, date = self._tally.calls, self._date
        self._date = self._today()
        if not calls:
            return

        async def emit(unit: Unit) -> None:
            counted = CallsCounted(date=date, calls=calls)
            self._outbox.emit(unit, "calls.counted", "", counted)

        try:
            await self._documents.unit(emit)
        except DomainError as error:
            _log.warning("%d calls are not counted yet: %s", calls, error.text)
        else:
            self._tally.calls -= calls

    def _today(self) -> str:
        return datetime.fromtimestamp(self._documents.clock() / 1000, UTC).date().isoformat()
