"""The limits that a new installation begins with, from the setting `LLMCHAT_LIMITS`."""

from __future__ import annotations

import json
from types import MappingProxyType

from llmchat.operations.v1.system_config_pb2 import SystemLimits

from libs.common.errors import Invalid

SEEDS = MappingProxyType(
    {
        "max_threads_per_user": 100,
        "max_messages_per_thread": 1000,
        "max_tokens_per_message": 100_000,
        "max_open_streams": 50,
        "requests_per_minute": 60,
        "requests_per_hour": 1000,
    }
)
_OFF = "off"
_MOST = 2**63 - 1


def parse_limits(text: str) -> SystemLimits:
    """The limits that `text` says: a JSON object of fields of `SystemLimits`, or `off` for none at all.

    What is left out is as in `SEEDS`.

    Raises:
        Invalid: it is neither, a field is not known, or a value is not a whole number from 0 on.
    """
    if text == _OFF:
        return SystemLimits()
    try:
        given = json.loads(text or "{}")
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise Invalid(f"LLMCHAT_LIMITS is neither a JSON object of limits nor `{_OFF}`", reason="INVALID_LIMITS")
    for name, value in given.items():
        if name not in SEEDS:
            raise Invalid(f"LLMCHAT_LIMITS: there is no limit {name!r}", reason="INVALID_LIMITS")
        if type(value) is not int or not 0 <= value <= _MOST:
            raise Invalid(f"LLMCHAT_LIMITS: {name} is not a whole number from 0 on", reason="INVALID_LIMITS")
    return SystemLimits(**{**SEEDS, **given})
