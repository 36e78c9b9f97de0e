"""How everything is doing that answers depend on: all parts are asked at once, and none is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from llmchat.catalog.v1.catalog_service_pb2 import GetProviderHealthRequest
from llmchat.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from llmchat.catalog.v1.model_config_pb2 import (
    HEALTH_STATUS_DEGRADED,
    HEALTH_STATUS_DOWN,
    HEALTH_STATUS_HEALTHY,
    HEALTH_STATUS_UNKNOWN,
    MODEL_PROVIDER_OLLAMA,
)
from llmchat.catalog.v1.provider_health_pb2 import ProviderHealth
from llmchat.events.v1.events_service_pb2 import CheckServiceRequest
from llmchat.events.v1.events_service_pb2_grpc import EventsServiceStub
from llmchat.operations.v1.operation_pb2 import OPERATION_STATUS_RUNNING, OPERATION_TYPE_LOAD_MODEL
from llmchat.operations.v1.system_health_pb2 import (
    OLLAMA_STATUS_ERROR,
    OLLAMA_STATUS_LOADING,
    OLLAMA_STATUS_READY,
    OLLAMA_STATUS_UNAVAILABLE,
    PART_STATUS_DEGRADED,
    PART_STATUS_DOWN,
    PART_STATUS_HEALTHY,
    BusHealth,
    ExternalApiHealth,
    OllamaHealth,
    OllamaStatus,
    ServiceHealth,
    SystemHealth,
)

from libs.common.clock import timestamp
from libs.common.documents.documents import Documents
from libs.common.errors import DomainError
from libs.common.events.bus import Bus
from libs.common.rpc.channels import Channels
from libs.common.settings import SERVICES
from libs.common.store.port import Query
from services.operations.collections import OPERATIONS

T = TypeVar("T")

# Milliseconds from which a store or a bus is slow.
_SLOW = 500.0


class _NoAnswer(Exception):
    """A part did not answer; says why."""


class SystemHealthCheck:
    """Asks services, bus and catalog."""

    def __init__(self, documents: Documents, channels: Channels, bus: Bus, *, patience: float = 2.0) -> None:
        """`patience` is how many seconds each part has to answer."""
        self._documents = documents
        self._channels = channels
        self._bus = bus
        self._patience = patience

    async def read(self) -> SystemHealth:
        """How each part is. One that does not answer is DOWN with the reason."""
        services, providers, is_loading = await asyncio.gather(
            asyncio.gather(*map(self._service, sorted(SERVICES))), self._providers(), self._is_loading()
        )
        health = SystemHealth(
            checked_at=timestamp(self._documents.clock()), services=services, bus=_bus_health(self._bus)
        )
        health.status = max(health.bus.status, *(service.status for service in services))
        for provider in providers:
            if provider.status == HEALTH_STATUS_UNKNOWN:
                continue
            if provider.provider == MODEL_PROVIDER_OLLAMA:
                health.ollama.CopyFrom(_ollama_health(provider, is_loading))
            else:
                health.external_apis[provider.id].CopyFrom(_api_health(provider))
        return health

    async def _service(self, name: str) -> ServiceHealth:
        try:
            stub = self._channels.stub(name, EventsServiceStub)
            answer = await self._answer(stub.CheckService(CheckServiceRequest(service=name)))
        except (DomainError, _NoAnswer) as error:
            return ServiceHealth(service=name, status=PART_STATUS_DOWN, last_error=str(error))
        health = ServiceHealth(
            service=name,
            status=PART_STATUS_HEALTHY,
            store_latency_ms=answer.store_latency_ms,
            unsettled_events=answer.unsettled_events,
            parked_events=answer.parked_events,
        )
        if answer.parked_events:
            health.last_error = f"events that wait for a person: {answer.parked_events}"
        elif answer.store_latency_ms >= _SLOW:
            health.last_error = f"the store took {answer.store_latency_ms:.0f} ms"
        if health.last_error:
            health.status = PART_STATUS_DEGRADED
        return health

    async def _providers(self) -> list[ProviderHealth]:
        """As the catalog last found them; none where it does not answer."""
        try:
            stub = self._channels.stub("catalog", CatalogServiceStub)
            answer = await self._answer(stub.GetProviderHealth(GetProviderHealthRequest()))
        except (DomainError, _NoAnswer):
            return []
        return list(answer.providers)

    async def _is_loading(self) -> bool:
        running = Query.where(OPERATIONS, order="error.next_retry_at", status=OPERATION_STATUS_RUNNING)
        try:
            operations = await self._answer(self._documents.query(running))
        except (DomainError, _NoAnswer):
            return False
        return any(operation.type == OPERATION_TYPE_LOAD_MODEL for operation in operations)

    async def _answer(self, asking: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._patience):
                return await asking
        except TimeoutError:
            raise _NoAnswer(f"no answer within {self._patience:g} s") from None


def _bus_health(bus: Bus) -> BusHealth:
    pulse = bus.pulse()
    health = BusHealth(is_shared=pulse.is_shared, status=PART_STATUS_HEALTHY)
    if pulse.latency is not None:
        health.latency_ms = pulse.latency * 1000
    if not pulse.is_up:
        health.status = PART_STATUS_DOWN
    elif health.latency_ms >= _SLOW:
        health.status = PART_STATUS_DEGRADED
    return health


def _api_health(provider: ProviderHealth) -> ExternalApiHealth:
    return ExternalApiHealth(
        is_reachable=provider.status in (HEALTH_STATUS_HEALTHY, HEALTH_STATUS_DEGRADED),
        latency_ms=provider.latency_ms,
        last_check=provider.last_check,
        error_count=provider.error_count,
        last_error=provider.last_error,
    )


def _ollama_health(provider: ProviderHealth, is_loading: bool) -> OllamaHealth:
    return OllamaHealth(
        status=_ollama_status(provider, is_loading),
        loaded_models=provider.loaded_models,
        memory_usage=provider.memory_usage,
        last_error=provider.last_error,
    )


def _ollama_status(provider: ProviderHealth, is_loading: bool) -> OllamaStatus:
    if provider.status == HEALTH_STATUS_DOWN:
        return OLLAMA_STATUS_UNAVAILABLE
    if provider.last_error:
        return OLLAMA_STATUS_ERROR
    return OLLAMA_STATUS_LOADING if is_loading else OLLAMA_STATUS_READY
