"""What characters the strings of a request may hold, wherever in it they are.

Control characters (Unicode's category Cc) serve those who forge logs and terminals, and noncharacters are no text; tab,
line feed and carriage return are what code is made of. Line breaks belong only into fields that the protos mark with
`(llmchat.options.v1.multiline)`. What is accepted is stored as it is: nothing is normalized or stripped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from llmchat.options.v1 import text_pb2

from libs.common.errors import FieldViolation

# https://www.unicode.org/faq/private_use.html#noncharacters: U+FDD0 to U+FDEF, and the last two of every plane.
_PLANES = "".join(f"{chr(plane << 16)}-{chr(plane << 16 | 0xFFFD)}" for plane in range(1, 17))
_LINE = f"\t -~\xa0-\u2027\u202a-\ufdcf\ufdf0-\ufffd{_PLANES}"
_TEXT = f"{_LINE}\n\r\u2028\u2029"
# Of what is allowed, possessively: to search for what is not takes five times as long.
_is_line = re.compile(f"[{_LINE}]*+").fullmatch
_is_text = re.compile(f"[{_TEXT}]*+").fullmatch
_forbidden = re.compile(f"[^{_TEXT}]+")

_NOT_LINE = "must be one line, without control characters and noncharacters"
_NOT_TEXT = "must not hold control characters besides tab and line breaks, nor noncharacters"

_Accept = Callable[[str], object]
_Check = Callable[[Message], list[FieldViolation]]


def without_forbidden(text: str) -> str:
    """`text` without the characters that no request may hold: for what others than a caller wrote."""
    return _forbidden.sub("", text)


def written(subscript: str | int) -> str:
    """An index or the key of a map as the path of a field shows it, in ASCII."""
    return f"[{json.dumps(subscript)}]"


@dataclass(frozen=True, slots=True)
class _Places:
    """Where a message type has strings: in fields of one string, and elsewhere."""

    strings: tuple[tuple[str, _Accept], ...]
    others: tuple[_Check, ...]


class TextRule:
    """Finds strings that hold what they may not. Where a message type has strings is learnt once."""

    def __init__(self) -> None:
        self._places: dict[type[Message], _Places] = {}

    def violations(self, message: Message) -> list[FieldViolation]:
        """Every such string of `message`, at any depth, by its path. None of them tells the text."""
        places = self._places.get(type(message)) or self._learn(type(message))
        found = [_violation(name, accept) for name, accept in places.strings if not accept(getattr(message, name))]
        for check in places.others:
            found += check(message)
        return found

    def _learn(self, type: type[Message]) -> _Places:
        descriptor = cast(Descriptor, type.DESCRIPTOR)
        fields = [field for field in descriptor.fields if _holds_strings(field, set())]
        strings = tuple((field.name, _accept(field)) for field in fields if _is_string(field) and not field.is_repeated)
        others = [field for field in fields if field.is_repeated or not _is_string(field)]
        checks = [self._check(field) for field in others if field.containing_oneof is None]
        for oneof in descriptor.oneofs:
            members = frozenset(field.name for field in others if field.containing_oneof == oneof)
            checks += [self._check_oneof(oneof.name, members)] if members else []
        self._places[type] = _Places(strings, tuple(checks))
        return self._places[type]

    def _check_oneof(self, oneof: str, members: frozenset[str]) -> _Check:
        def one(message: Message) -> list[FieldViolation]:
            name = message.WhichOneof(oneof)
            return self._within(name, getattr(message, name)) if name in members else []

        return one

    def _check(self, field: FieldDescriptor) -> _Check:
        name, accept = field.name, _accept(field)

        def strings(message: Message) -> list[FieldViolation]:
            texts = getattr(message, name)
            if all(map(accept, texts)):
                return []
            return [_violation(name + written(index), accept) for index, text in enumerate(texts) if not accept(text)]

        def one(message: Message) -> list[FieldViolation]:
            return self._within(name, getattr(message, name)) if message.HasField(name) else []

        def several(message: Message) -> list[FieldViolation]:
            items = enumerate(getattr(message, name))
            return [found for index, item in items for found in self._within(name + written(index), item)]

        def entries(message: Message) -> list[FieldViolation]:
            found = []
            for key, value in getattr(message, name).items():
                if isinstance(key, str) and not _is_line(key):
                    found.append(FieldViolation(name, f"a key {_NOT_LINE}"))
                if isinstance(value, Message):
                    found += self._within(name + written(key), value)
                elif isinstance(value, str) and not accept(value):
                    found.append(_violation(name + written(key), accept))
            return found

        if _is_string(field):
            return strings
        if not field.is_repeated:
            return one
        return entries if _is_map(field) else several

    def _within(self, path: str, message: Message) -> list[FieldViolation]:
        found = self.violations(message)
        return [FieldViolation(f"{path}.{one.field}", one.description) for one in found] if found else found


def _violation(path: str, accept: _Accept) -> FieldViolation:
    return FieldViolation(path, _NOT_LINE if accept is _is_line else _NOT_TEXT)


def _accept(field: FieldDescriptor) -> _Accept:
    # protoc's stubs give extensions the type of a bare FieldDescriptor.
    return _is_text if field.GetOptions().Extensions[text_pb2.multiline] else _is_line  # type: ignore[index]


def _is_string(field: FieldDescriptor) -> bool:
    return field.type == FieldDescriptor.TYPE_STRING


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _holds_strings(field: FieldDescriptor, seen: Collection[Descriptor]) -> bool:
    """Whether there may be a string in the field or below it; `seen` are the types above, which may recur."""
    if field.message_type is None:
        return _is_string(field)
    if field.message_type in seen:
        return False
    return any(_holds_strings(inner, {*seen, field.message_type}) for inner in field.message_type.fields)
