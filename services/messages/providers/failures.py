"""What goes wrong with a maker, in the same codes and words for all of them.

The makers' own words go no further: they may repeat a key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType

from services.messages.providers.port import ProviderError

_SECONDS = MappingProxyType({"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0})
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])")


def key_refused() -> ProviderError:
    """The key, or that it comes from where it does."""
    return ProviderError("AUTHENTICATION", "the provider refused the key")


def rate_limited(retry_after: float | None) -> ProviderError:
    """Too many requests or tokens for the key, or nothing left to pay them with."""
    return ProviderError("RATE_LIMITED", "the provider's rate limit is reached", retry_after)


def overloaded(status: int, retry_after: float | None = None) -> ProviderError:
    """The provider itself fails; `status` is HTTP's."""
    return ProviderError("OVERLOADED", f"the provider failed with status {status}", retry_after)


def unreachable() -> ProviderError:
    """No connection came about, in time or at all: nothing was asked."""
    return ProviderError("OVERLOADED", "the provider cannot be reached")


def silent() -> ProviderError:
    """It was asked, and says nothing or nothing more."""
    return ProviderError("TIMEOUT", "the provider did not answer in time")


def too_long() -> ProviderError:
    """The prompt, for the model or for the provider's door."""
    return ProviderError("CONTEXT_TOO_LONG", "the conversation is too long for the model")


def content_refused() -> ProviderError:
    """By a filter or the model itself, before or in the middle of the answer."""
    return ProviderError("REFUSED", "the provider refused the content")


def no_such_model() -> ProviderError:
    """None of this name, any more or for this key."""
    return ProviderError("PROVIDER_ERROR", "the provider has no such model for this key")


def request_refused(status: int) -> ProviderError:
    """For any other reason."""
    return ProviderError("PROVIDER_ERROR", f"the provider answered with status {status}")


def broken_off() -> ProviderError:
    """The answer has no end, or is none in the provider's format."""
    return ProviderError("PROVIDER_ERROR", "the provider's stream broke off")


def asked_to_wait(headers: Mapping[str, str]) -> float | None:
    """The seconds that an answer asks to wait: by `retry-after-ms`, by `retry-after` in seconds or as a date, or until
    OpenAI's limits (`x-ratelimit-reset-requests`, `-tokens`: `1m30.5s`) are all restored. None where it does not.
    """
    with suppress(KeyError, ValueError):
        return float(headers["retry-after-ms"]) / 1000
    with suppress(KeyError, ValueError):
        return float(headers["retry-after"])
    with suppress(KeyError, ValueError):
        date = parsedate_to_datetime(headers["retry-after"])
        return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
    resets = [headers.get(f"x-ratelimit-reset-{limit}", "") for limit in ("requests", "tokens")]
    return max(map(_duration, resets)) or None


def _duration(text: str) -> float:
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
