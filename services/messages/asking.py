"""What this service asks a model itself: an answer for its own use, whole."""

from __future__ import annotations

from contextlib import aclosing

from llmchat.catalog.v1.model_config_pb2 import ModelConfig

from libs.common.errors import Precondition, Unavailable
from libs.common.rpc.interceptors.text import without_forbidden
from services.messages.history import accepted_temperature
from services.messages.models import Models
from services.messages.providers.port import Prompt, ProviderError, Turn, Usage

# Little of its own making.
_TEMPERATURE = 0.3
_MOST_CHARACTERS = 20_000
_WORTH_A_RETRY = frozenset(("RATE_LIMITED", "OVERLOADED", "TIMEOUT", "PROVIDER_ERROR", "PROVIDER_KEY_UNAVAILABLE"))


async def ask_model(models: Models, model: ModelConfig, instruction: str, question: str) -> tuple[str, int]:
    """The model's answer, the first 20,000 characters of it at most, and the tokens that the provider counted.

    Raises:
        Precondition: the model is not available, or refuses; or there is no key for it (reason PROVIDER_KEY_MISSING).
        Unavailable: the provider failed in a way that may pass.
    """
    prompt = Prompt(
        model=model.model_version or model.id,
        system=instruction,
        turns=(Turn("user", question),),
        temperature=accepted_temperature(model, _TEMPERATURE),
        max_output_tokens=model.specs.max_output_tokens or None,
        context_length=model.specs.context_length or None,
    )
    text, tokens_used = "", 0
    try:
        async with aclosing(models.provider(model).stream(prompt)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Usage):
                    tokens_used = piece.input_tokens + piece.output_tokens
                elif len(text) < _MOST_CHARACTERS:
                    text += piece
    except ProviderError as error:
        if error.code in _WORTH_A_RETRY:
            raise Unavailable(error.text, reason=error.code) from error
        raise Precondition(error.text, reason=error.code) from error
    return without_forbidden(text).strip(), tokens_used
