"""Times as people type them: a span, or a day or moment of UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from libs.common.errors import Invalid

_UNITS = {"min": 60_000, "h": 3_600_000, "d": 86_400_000}
_SPAN = re.compile(r"([0-9]{1,5})(min|h|d)")


def later(text: str, now: int) -> int:
    """The moment that `90d` (from `now` on), `2027-01-31` or `2027-01-31T12:00` names, in milliseconds of the epoch.

    Raises:
        Invalid: the text is none of these.
    """
    span = _span(text)
    return _moment(text) if span is None else now + span


def earlier(text: str, now: int) -> int:
    """As `later`, with spans before `now`."""
    span = _span(text)
    return _moment(text) if span is None else now - span


def _span(text: str) -> int | None:
    found = _SPAN.fullmatch(text)
    return int(found[1]) * _UNITS[found[2]] if found else None


def _moment(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{text!r} is no time: 30min, 12h, 90d, or a day such as 2027-01-31") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
