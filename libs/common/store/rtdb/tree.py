"""Documents' JSON as the Realtime Database keeps it.

The database drops nulls and empty arrays and objects, computes with doubles, and refuses many keys and what is deeper
than 32 levels. So a value that it would not give back is written as `!` and the value's JSON (`!{}`, `!null`,
`!9007199254740993`), and a text that begins with `!` has another one before it. Of keys, those that are no plain names
are escaped, each byte as `!` and two digits: `gpt-4!2e1`. All else stands as it is: field by field, for rules to look
at and for people to read.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from libs.common.store.rtdb.keys import MAX_KEY_BYTES, escaped, unescaped

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_DEEPEST = 16  # levels of a document; above it there are those of its path
_EXACT = 2**53  # whole numbers below are exact as doubles


def to_tree(value: Any, depth: int = 0) -> Any:
    """A JSON value as it is stored."""
    match value:
        case str():
            return f"!{value}" if value.startswith("!") else value
        case bool():
            return value
        case int() | float() if abs(value) < _EXACT and (value or math.copysign(1, value) > 0):
            return value
        case dict() if value and depth < _DEEPEST:
            keys = [_key(name) for name in value]
            if max(map(len, keys)) <= MAX_KEY_BYTES:
                return {key: to_tree(kept, depth + 1) for key, kept in zip(keys, value.values(), strict=True)}
        case list() if value and depth < _DEEPEST:
            return [to_tree(kept, depth + 1) for kept in value]
    return f"!{json.dumps(value, ensure_ascii=False, separators=(',', ':'))}"


def from_tree(value: Any) -> Any:
    """The JSON value that was stored."""
    match value:
        case str() if value.startswith("!"):
            return value[1:] if value.startswith("!!") else json.loads(value[1:])
        case dict():
            return {_name(key): from_tree(kept) for key, kept in value.items()}
        case list():
            return [from_tree(kept) for kept in value]
    return value


def _key(name: str) -> str:
    if _NAME.fullmatch(name):
        return name
    # A first character that is no letter could make the key a number, and the object an array.
    kept = name[:1] if _NAME.match(name) else ""
    first = "" if kept else "".join(f"!{byte:02x}" for byte in name[:1].encode())
    return f"{kept}{first}{escaped(name[1:])}" or "!"


def _name(key: str) -> str:
    return "" if key == "!" else unescaped(key)
