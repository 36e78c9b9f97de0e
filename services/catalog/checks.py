"""Asking the makers of models how they are: by one replica at a time, and whenever somebody wants to know."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from llmchat.catalog.v1.catalog_service_pb2 import GetProviderHealthRequest
from llmchat.catalog.v1.model_config_pb2 import (
    MODEL_PROVIDER_ANTHROPIC,
    MODEL_PROVIDER_GOOGLE,
    MODEL_PROVIDER_OLLAMA,
    MODEL_PROVIDER_OPENAI,
    ModelProvider,
)
from llmchat.catalog.v1.provider_health_pb2 import ProviderHealth
from llmchat.messages.v1.messages_service_pb2 import CheckProviderRequest, CheckProviderResponse
from ulid import ULID

from libs.common.context import current_call, enter_call
from libs.common.documents.documents import Documents
from libs.common.documents.leases import take_lease
from libs.common.documents.unit import Unit
from libs.common.errors import DeadlineExceeded, DomainError
from libs.common.events.changes import EVERYTHING, Changes
from services.catalog.collections import PROVIDER_HEALTH
from services.catalog.health import reckon, unknown
from services.catalog.model import all_models, is_in_use
from services.catalog.shown import RememberedHealths, read_healths

if TYPE_CHECKING:
    from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceAsyncStub

_log = logging.getLogger(__name__)

# The others are part of this system, or claim their work themselves.
_ASKED = frozenset((MODEL_PROVIDER_ANTHROPIC, MODEL_PROVIDER_OPENAI, MODEL_PROVIDER_GOOGLE, MODEL_PROVIDER_OLLAMA))
# Seconds that a maker has to answer.
_PATIENCE = 10.0
_LEASE = "provider_health"
# The part of the interval that a turn lasts: it is over when whoever had it comes again.
_TURN = 0.9


class HealthChecks:
    """Asks through the messages service, which has the keys: of a maker that it has none for nobody asks anything."""

    def __init__(
        self,
        documents: Documents,
        changes: Changes,
        healths: RememberedHealths,
        messages: MessagesServiceAsyncStub,
        holder: str,
        interval: float,
    ) -> None:
        """Args:
        documents: where the health is kept.
        changes: tells of health that changes.
        healths: forgets what it remembers at every check that is stored here.
        messages: asks the makers.
        holder: names this process in the lease.
        interval: seconds between checks.
        """
        self._documents = documents
        self._changes = changes
        self._healths = healths
        self._messages = messages
        self._holder = holder
        self._interval = interval

    async def run(self) -> None:
        """Checks every maker of models in use, whenever it is this replica's turn; until cancelled."""
        while True:
            try:
                if await self._documents.unit(self._take_turn):
                    await self._check(await self._makers())
            except DomainError as error:
                _log.warning("the makers of models were not checked: %s", error.text)
            await asyncio.sleep(self._interval)

    async def read(self, request: GetProviderHealthRequest) -> list[ProviderHealth]:
        """How the one maker is doing that the request names, or each that models in use are of; asked now if wanted."""
        makers = [request.provider] if request.provider else await self._makers()
        if request.now:
            await self._check(_ASKED.intersection(makers))
        healths = await read_healths(self._documents)
        return [healths.get(maker) or unknown(maker) for maker in makers]

    async def _take_turn(self, unit: Unit) -> bool:
        return await take_lease(unit, _LEASE, self._holder, str(ULID()), self._interval * _TURN)

    async def _makers(self) -> list[ModelProvider]:
        models = await all_models(self._documents)
        return sorted(_ASKED.intersection(model.provider for model in models if is_in_use(model)))

    async def _check(self, makers: Iterable[ModelProvider]) -> None:
        await asyncio.gather(*(self._check_one(maker) for maker in makers))

    async def _check_one(self, maker: ModelProvider) -> None:
        # Its own time, in its own task: how little time a caller has says nothing of a maker.
        enter_call(replace(current_call(), deadline=time.monotonic() + _PATIENCE))
        try:
            answer = await self._messages.CheckProvider(CheckProviderRequest(provider=maker))
        except DeadlineExceeded:
            answer = CheckProviderResponse(is_configured=True, error="TIMEOUT")
        except DomainError as error:
            _log.debug("%s was not checked: %s", ModelProvider.Name(maker), error.text)
            return
        await self._documents.unit(partial(self._store, maker, answer))

    async def _store(self, maker: ModelProvider, answer: CheckProviderResponse, unit: Unit) -> None:
        before = await unit.find(PROVIDER_HEALTH, unknown(maker).id) or unknown(maker)
        health = reckon(before, answer, unit.now)
        if health == before:
            return
        unit.put(PROVIDER_HEALTH, health)
        unit.then(self._healths.forget)
        if _lasting(health) != _lasting(before):
            self._changes.tell(unit, EVERYTHING, health.id)


def _lasting(health: ProviderHealth) -> tuple[object, ...]:
    """What models are shown with, without the figures that move with every check."""
    return health.status, health.error_rate, list(health.models)
