"""How a maker of models is doing, reckoned from its last checks."""

from __future__ import annotations

import pytest
from llmchat.catalog.v1.model_config_pb2 import (
    HEALTH_STATUS_DEGRADED,
    HEALTH_STATUS_DOWN,
    HEALTH_STATUS_HEALTHY,
    HEALTH_STATUS_UNKNOWN,
    MODEL_PROVIDER_OLLAMA,
    HealthStatus,
)
from llmchat.catalog.v1.provider_health_pb2 import ProviderHealth
from llmchat.messages.v1.messages_service_pb2 import CheckProviderResponse

from services.catalog.health import reckon, unknown

NOON = 1_700_000_000_000
FAILED = -1


def checked(*recent: float, before: ProviderHealth | None = None) -> ProviderHealth:
    """After checks that took so many milliseconds, or failed."""
    health = before or unknown(MODEL_PROVIDER_OLLAMA)
    for number, ms in enumerate(recent):
        answer = CheckProviderResponse(is_configured=True, models=["gemma2:2b"], loaded_models=["gemma2:2b"])
        if ms < 0:
            answer = CheckProviderResponse(is_configured=True, error="OVERLOADED")
        answer.latency_ms = max(ms, 0)
        health = reckon(health, answer, NOON + number)
    return health


@pytest.mark.parametrize(
    ("recent", "status", "response_time_ms", "error_rate"),
    [
        ((100, 300), HEALTH_STATUS_HEALTHY, 200, 0),
        ((FAILED,), HEALTH_STATUS_DEGRADED, 0, 100),
        ((100, FAILED, FAILED), HEALTH_STATUS_DEGRADED, 100, 200 / 3),
        ((100, FAILED, FAILED, FAILED), HEALTH_STATUS_DOWN, 100, 75),
        ((FAILED, FAILED, FAILED, 100), HEALTH_STATUS_DEGRADED, 100, 75),
        ((FAILED, *[100] * 19), HEALTH_STATUS_DEGRADED, 100, 5),
        ((FAILED, *[100] * 20), HEALTH_STATUS_HEALTHY, 100, 0),
        ((2001, 2001), HEALTH_STATUS_DEGRADED, 2001, 0),
        ((9000, *[100] * 19), HEALTH_STATUS_HEALTHY, 545, 0),
    ],
)
def test_the_last_twenty_checks_say_how_it_is(
    recent: tuple[float, ...], status: HealthStatus, response_time_ms: float, error_rate: float
) -> None:
    health = checked(*recent)

    assert (health.status, health.response_time_ms) == (status, response_time_ms)
    assert health.error_rate == pytest.approx(error_rate)
    assert health.HasField("response_time_ms") == any(ms >= 0 for ms in recent)
    assert len(health.recent) <= 20


def test_failures_are_counted_for_ever_and_the_last_one_is_told_while_it_lasts() -> None:
    health = checked(FAILED, *[100] * 30, FAILED)
    assert (health.error_count, health.last_error, health.HasField("latency_ms")) == (2, "OVERLOADED", False)

    health = checked(70, before=health)
    assert (health.error_count, health.last_error, health.latency_ms) == (2, "", 70)


def test_one_failure_says_nothing_of_the_models_that_it_has_and_three_do() -> None:
    assert list(checked(100, FAILED, FAILED).models) == ["gemma2:2b"]
    assert list(checked(100, FAILED, FAILED).loaded_models) == ["gemma2:2b"]
    assert list(checked(100, FAILED, FAILED, FAILED).models) == []
    assert list(checked(FAILED, FAILED, FAILED, 100).models) == ["gemma2:2b"]


def test_without_a_key_nothing_is_known_and_nothing_counted() -> None:
    keyless = CheckProviderResponse(is_configured=False)
    assert reckon(unknown(MODEL_PROVIDER_OLLAMA), keyless, NOON) == unknown(MODEL_PROVIDER_OLLAMA)

    before = checked(100, FAILED)
    after = reckon(before, keyless, NOON + 100)

    assert after.status == HEALTH_STATUS_UNKNOWN
    assert (after.last_check, after.error_count) == (before.last_check, 1)
    assert not after.recent
    assert not after.HasField("error_rate")
