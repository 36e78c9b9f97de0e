"""JSON as files of conversations are written in."""

from __future__ import annotations

import json


def json_text(value: object) -> str:
    """The value in one line, its characters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
