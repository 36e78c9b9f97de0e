"""The values of a file, read strictly: what has another type than its format says is refused with its place."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from libs.common.errors import Invalid
from libs.common.rpc.interceptors.text import without_forbidden

_EPOCH = datetime.fromtimestamp(0, UTC)
_MS = timedelta(milliseconds=1)
# The end of the year 9999, which is as far as a document's time goes.
_LAST_MS = 253_402_300_800_000
_MOST_ID = 100
_LINE_BREAKS = re.compile("[\n\r\u2028\u2029]+")


def garbage(where: str, what: str) -> Invalid:
    """The refusal of a file that is none of its format; `where` in it, without a word of what people wrote."""
    return Invalid.field("data", f"{where}: {what}", reason="MALFORMED_IMPORT")


def object_of(value: object, where: str) -> Mapping[str, Any]:
    """A JSON object.

    Raises:
        Invalid: it is none.
    """
    if not isinstance(value, dict):
        raise garbage(where, "is not an object")
    return value


def list_of(value: object, where: str) -> Sequence[Any]:
    """A JSON array; nothing for null, and for what is not there.

    Raises:
        Invalid: it is something else.
    """
    if value is None:
        return ()
    if not isinstance(value, list):
        raise garbage(where, "is not a list")
    return value


def string_of(value: object, where: str) -> str:
    """A string; empty for null, and for what is not there.

    Raises:
        Invalid: it is something else.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise garbage(where, "is not a string")
    return value


def id_of(value: object, where: str) -> str:
    """As `string_of`, of what names something.

    Raises:
        Invalid: it is no string, longer than 100 characters, or holds what cannot be printed.
    """
    id = string_of(value, where)
    if len(id) > _MOST_ID or not id.isprintable():
        raise garbage(where, f"is not an id of at most {_MOST_ID} printable characters")
    return id


def seconds_of(value: object, where: str) -> int | None:
    """Seconds of the epoch as milliseconds; None for null, and for what is not there.

    Raises:
        Invalid: it is something else, or out of the years from 1970 to 9999.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise garbage(where, "is not a number of seconds")
    return _within_years(value * 1000, where)


def iso_of(value: object, where: str) -> int | None:
    """A time as ISO 8601 writes it as milliseconds of the epoch, in UTC where it says nothing else; None as above.

    Raises:
        Invalid: as `seconds_of`.
    """
    text = string_of(value, where)
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise garbage(where, "is not a time in ISO 8601") from None
    return _within_years(((at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH) / _MS, where)


def to_iso(ms: int) -> str:
    """`ms` milliseconds of the epoch in ISO 8601, in UTC."""
    return (_EPOCH + ms * _MS).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def clean(text: str) -> str:
    """`text` without what no text may hold: control characters, noncharacters, halves of characters."""
    return without_forbidden(text.encode("utf-8", "ignore").decode())


def one_line(text: str) -> str:
    """As `clean`, in one line."""
    return _LINE_BREAKS.sub(" ", clean(text))


def _within_years(ms: float, where: str) -> int:
    if not 0 <= ms < _LAST_MS:
        raise garbage(where, "is not a time from 1970 to 9999")
    return round(ms)
