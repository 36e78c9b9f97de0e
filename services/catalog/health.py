"""How a maker of models is doing, reckoned from its last checks."""

from __future__ import annotations

from llmchat.catalog.v1.model_config_pb2 import (
    HEALTH_STATUS_DEGRADED,
    HEALTH_STATUS_DOWN,
    HEALTH_STATUS_HEALTHY,
    HEALTH_STATUS_UNKNOWN,
    HealthStatus,
    ModelProvider,
)
from llmchat.catalog.v1.provider_health_pb2 import ProviderHealth
from llmchat.messages.v1.messages_service_pb2 import CheckProviderResponse

from libs.common.clock import timestamp

_CHECKS = 20
_DOWN_AFTER = 3
# Milliseconds on average.
_SLOW = 2000.0
_FAILED = -1.0


def unknown(provider: ModelProvider) -> ProviderHealth:
    """Of a maker that was never asked."""
    id = ModelProvider.Name(provider).removeprefix("MODEL_PROVIDER_").lower()
    return ProviderHealth(id=id, provider=provider, status=HEALTH_STATUS_UNKNOWN)


def reckon(before: ProviderHealth, answer: CheckProviderResponse, now: int) -> ProviderHealth:
    """How it is doing after one more check, at `now` in milliseconds of the epoch.

    Where there is nothing to ask it with, nothing is known of it but when that was otherwise.
    """
    health = unknown(before.provider)
    health.error_count = before.error_count
    health.etag = before.etag
    health.schema_version = before.schema_version
    if not answer.is_configured:
        if before.HasField("last_check"):
            health.last_check.CopyFrom(before.last_check)
        return health
    health.last_check.CopyFrom(timestamp(now))
    health.recent.extend((*before.recent, _FAILED if answer.error else answer.latency_ms)[-_CHECKS:])
    if answer.error:
        health.error_count += 1
        health.last_error = answer.error
    else:
        health.latency_ms = answer.latency_ms
    went_well = [ms for ms in health.recent if ms >= 0]
    if went_well:
        health.response_time_ms = sum(went_well) / len(went_well)
    health.error_rate = 100 * (len(health.recent) - len(went_well)) / len(health.recent)
    health.status = _status(health)
    # One check that fails says nothing of what it has.
    if health.status != HEALTH_STATUS_DOWN:
        said = before if answer.error else answer
        health.models.extend(said.models)
        health.loaded_models.extend(said.loaded_models)
        health.memory_usage = said.memory_usage
    return health


def _status(health: ProviderHealth) -> HealthStatus:
    last = health.recent[-_DOWN_AFTER:]
    if len(last) == _DOWN_AFTER and all(ms < 0 for ms in last):
        return HEALTH_STATUS_DOWN
    if health.error_rate or health.response_time_ms > _SLOW:
        return HEALTH_STATUS_DEGRADED
    return HEALTH_STATUS_HEALTHY
