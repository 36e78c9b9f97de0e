"""The request id: the caller's own where it is fit for logs, else a new one, which goes back in the trailing metadata.

A failed call has it there too, whoever made it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

REQUEST_ID = "x-request-id"
TRACEPARENT = "traceparent"

_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,100}").fullmatch
# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACE = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}").fullmatch


def accept_request_id(metadata: Mapping[str, str | bytes]) -> tuple[str, bool]:
    """The caller's id, if it is 1 to 100 of `A-Za-z0-9._-`, and True; else 32 random hex digits and False."""
    given = metadata.get(REQUEST_ID)
    if isinstance(given, str) and _ACCEPTED(given):
        return given, True
    return os.urandom(16).hex(), False


def accept_traceparent(metadata: Mapping[str, str | bytes]) -> str:
    """The W3C trace context that the caller sent; empty where there is none or it is malformed."""
    given = metadata.get(TRACEPARENT)
    return given if isinstance(given, str) and _TRACE(given) else ""
