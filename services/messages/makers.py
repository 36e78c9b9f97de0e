"""The makers of models as such: how each of them is, and what one on this machine has at hand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from llmchat.messages.v1.messages_service_pb2 import (
    CheckProviderRequest,
    CheckProviderResponse,
    PullModelRequest,
    PullModelResponse,
)

from libs.common.errors import DomainError, NotFound, Precondition, Unavailable
from services.messages.models import Models
from services.messages.providers.port import Health, Loader, ProviderError

# Within the deadline that a call between services has, so that a maker's silence is told.
_CHECK_SECONDS = 8
_MAY_PASS = frozenset(("OVERLOADED", "TIMEOUT", "RATE_LIMITED", "PROVIDER_ERROR"))


async def check_provider(models: Models, request: CheckProviderRequest) -> CheckProviderResponse:
    """How a maker is. One that does not answer within 8 seconds is not well, which is no failure of the call."""
    maker = models.maker(request.provider)
    if maker is None:
        return CheckProviderResponse()
    health, error = Health(), ""
    begun = time.perf_counter()
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            # With the installation's key, where the maker takes keys.
            health = await maker.check("")
    except ProviderError as failure:
        if failure.code == "PROVIDER_KEY_MISSING":
            return CheckProviderResponse()
        error = failure.code
    except TimeoutError:
        error = "TIMEOUT"
    return CheckProviderResponse(
        is_configured=True,
        latency_ms=(time.perf_counter() - begun) * 1000,
        error=error,
        models=health.models,
        loaded_models=health.loaded_models,
        memory_usage=health.memory_usage,
    )


async def pull_model(models: Models, request: PullModelRequest) -> AsyncGenerator[PullModelResponse, None]:
    """Has the model fetched and loaded; tells the progress whenever it is another percent. Closed, it ends that.

    Raises:
        NotFound: the catalog has no such model, or nobody has it for its maker to fetch.
        Precondition: its maker is not one that loads models, or not served here (reason NOT_LOADABLE).
        Unavailable: the maker failed, in a way that may pass (reason as `MessageError.code` says it).
    """
    model = await models.get(request.model_id)
    maker = models.maker(model.provider)
    if not isinstance(maker, Loader):
        raise Precondition(f"the model {model.id} is none that can be loaded here", reason="NOT_LOADABLE")
    name = model.model_version or model.id
    told = -1
    try:
        async with aclosing(maker.load(name, model.specs.context_length)) as fractions:
            async for fraction in fractions:
                progress = int(round(fraction * 100, 6))
                if progress > told:
                    told = progress
                    yield PullModelResponse(progress=progress)
    except ProviderError as error:
        raise _domain_error(error, name) from error


def _domain_error(error: ProviderError, name: str) -> DomainError:
    if error.code == "MODEL_NOT_FOUND":
        return NotFound("model", name)
    if error.code in _MAY_PASS:
        return Unavailable(error.text, reason=error.code, retry_after=error.retry_after or 1.0)
    return Precondition(error.text, reason=error.code)
