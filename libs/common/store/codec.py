"""Messages as the JSON that document engines keep and that `llmchat` shows, compiled once per descriptor.

camelCase keys; numbers as numbers, 64-bit ones too; timestamps as epoch milliseconds, durations as milliseconds; enums
as lower-case names without their type's prefix; implicit-presence scalars always written, an unspecified enum never,
everything else when it is set; bytes as base64; `Struct`, `Value` and `ListValue` as plain JSON; `Tokens` as an array
of strings. A NaN or an infinity is refused: JSON has none.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable
from functools import cache
from itertools import accumulate, pairwise
from typing import Any, TypeVar, cast

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import NULL_VALUE, ListValue, Struct, Value
from llmchat.store.v1.tokens_pb2 import Tokens

from libs.common.clock import milliseconds, timestamp

Json = dict[str, Any]
M = TypeVar("M", bound=Message)

_Convert = Callable[[Any], Any]
_Codec = tuple[_Convert, _Convert]  # to JSON, from JSON
_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
# From the year 1 to 9999, which is what a Timestamp may hold.
_MILLISECONDS = (-62_135_596_800_000, 253_402_300_799_999)
_EXACT = 2**53  # whole numbers below are exact as doubles


def encode(message: Message) -> Json:
    """The message as JSON.

    Raises:
        ValueError: it holds a number that JSON cannot, or tokens whose lengths do not sum to their text's.
    """
    return cast(Json, _message(cast(Descriptor, message.DESCRIPTOR))[0](message))


def decode(message_type: type[M], document: Json) -> M:
    """The message that `document` stands for. Keys that are not known, and nulls, count as absent.

    Raises:
        ValueError: a value is of the wrong type; the text names its field and no value.
    """
    return cast(M, _message(cast(Descriptor, message_type.DESCRIPTOR))[1](document))


@cache
def _message(descriptor: Descriptor) -> _Codec:
    special = _special(descriptor.full_name)
    if special is not None:
        return special
    message_type = GetMessageClass(descriptor)
    zeros: Json = {}
    writers: dict[int, tuple[str, _Convert | None]] = {}
    readers: dict[str, tuple[str, _Convert]] = {}

    def compiled() -> None:
        # At the first use, so that a message may hold its own kind.
        for field in descriptor.fields:
            key = field.json_name
            to_json, from_json = _field(field)
            if not field.has_presence and not field.is_repeated and field.enum_type is None:
                zeros[key] = to_json(field.default_value) if to_json else field.default_value
            writers[field.number] = (key, to_json)
            readers[key] = (field.name, from_json)

    def to_json(message: Message) -> Json:
        if not writers:
            compiled()
        document = zeros.copy()
        for field, value in message.ListFields():
            key, convert = writers[field.number]
            document[key] = value if convert is None else convert(value)
        return document

    def from_json(document: Any) -> Message:
        if not readers:
            compiled()
        values: Json = {}
        for key, value in _expected(document, dict, "an object").items():
            reader = readers.get(key)
            if reader is None or value is None:
                continue
            name, convert = reader
            try:
                values[name] = convert(value)
            except ValueError as error:
                raise ValueError(f"{descriptor.name}.{name}: {error}") from None
        return message_type(**values)

    return to_json, from_json


def _field(field: FieldDescriptor) -> tuple[_Convert | None, _Convert]:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        return _map(entry.fields_by_name["key"], entry.fields_by_name["value"])
    if not field.is_repeated:
        return _single(field)
    to_json, from_json = _single(field)
    return (
        list if to_json is None else lambda values: [to_json(value) for value in values],
        lambda values: [from_json(value) for value in _expected(values, list, "an array")],
    )


def _map(key: FieldDescriptor, value: FieldDescriptor) -> _Codec:
    to_json, from_json = _single(value)
    convert = to_json or (lambda kept: kept)
    name_of, key_of = _key(key.cpp_type)
    return (
        lambda entries: {name_of(name): convert(kept) for name, kept in entries.items()},
        lambda entries: {key_of(name): from_json(kept) for name, kept in _expected(entries, dict, "an object").items()},
    )


def _key(cpp_type: int) -> _Codec:
    if cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return str, _text
    if cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return json.dumps, _truth
    return str, int


def _single(field: FieldDescriptor) -> tuple[_Convert | None, _Convert]:
    if field.message_type is not None:
        return _message(field.message_type)
    if field.enum_type is not None:
        return _enum(field.enum_type)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _base64, _bytes
    if field.cpp_type in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return _finite, _float
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return None, _text
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return None, lambda value: _expected(value, bool, "true or false")
    low, high = _RANGES[field.cpp_type]
    return None, lambda value: _integer(value, low, high)


def _enum(descriptor: EnumDescriptor) -> _Codec:
    prefix = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", descriptor.name).upper() + "_"
    names = {value.number: value.name.removeprefix(prefix).lower() for value in descriptor.values}
    numbers = {name: number for number, name in names.items()}

    def from_json(value: Any) -> int:
        if not isinstance(value, str):  # a number that a newer schema has a name for
            return _integer(value, *_RANGES[FieldDescriptor.CPPTYPE_INT32])
        if value not in numbers:
            raise ValueError(f"no value of {descriptor.name}")
        return numbers[value]

    return lambda number: names.get(number, number), from_json


def _special(full_name: str) -> _Codec | None:
    special: dict[str, _Codec] = {
        "google.protobuf.Timestamp": (milliseconds, lambda value: timestamp(_integer(value, *_MILLISECONDS))),
        "google.protobuf.Duration": (lambda duration: duration.ToMilliseconds(), _duration),
        "google.protobuf.Struct": (_plain_struct, _struct),
        "google.protobuf.Value": (_plain, _value),
        "google.protobuf.ListValue": (_plain_list, _list),
        "llmchat.store.v1.Tokens": (_pieces, _tokens),
    }
    return special.get(full_name)


def _expected(value: Any, kind: type[Any], word: str) -> Any:
    if type(value) is not kind:
        raise ValueError(f"expected {word}, not {type(value).__name__}")
    return value


def _text(value: Any) -> str:
    text: str = _expected(value, str, "a string")
    text.encode()  # half of a surrogate pair raises a UnicodeEncodeError, which is a ValueError
    return text


def _truth(name: str) -> bool:
    if name not in ("true", "false"):
        raise ValueError("expected true or false as a key")
    return name == "true"


def _integer(value: Any, low: int, high: int) -> int:
    value = int(value) if isinstance(value, float) and value.is_integer() else value
    if not low <= _expected(value, int, "a whole number") <= high:
        raise ValueError("out of range")
    return cast(int, value)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("JSON has no NaN and no infinity")
    return value


def _float(value: Any) -> float:
    if type(value) is int and abs(value) < _EXACT:
        return float(value)
    return _finite(_expected(value, float, "a number"))


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _bytes(value: Any) -> bytes:
    return base64.b64decode(_expected(value, str, "base64"), validate=True)


def _duration(value: Any) -> Duration:
    duration = Duration()
    duration.FromMilliseconds(_integer(value, *_MILLISECONDS))
    return duration


def _pieces(tokens: Tokens) -> list[str]:
    ends = list(accumulate(tokens.lengths, initial=0))
    text = tokens.text
    if ends[-1] != len(text):
        raise ValueError("the lengths of the tokens do not sum to their text's")
    return [text[start:end] for start, end in pairwise(ends)]


def _tokens(value: Any) -> Tokens:
    pieces = [_text(piece) for piece in _expected(value, list, "an array")]
    return Tokens(text="".join(pieces), lengths=map(len, pieces))


def _plain(value: Value) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            return _plain_struct(value.struct_value)
        case "list_value":
            return _plain_list(value.list_value)
        case "number_value":
            number = _finite(value.number_value)
            whole = number.is_integer() and abs(number) < _EXACT
            # Minus zero is a float alone.
            return int(number) if whole and (number or math.copysign(1, number) > 0) else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None


def _plain_struct(struct: Struct) -> Json:
    return {name: _plain(value) for name, value in struct.fields.items()}


def _plain_list(values: ListValue) -> list[Any]:
    return [_plain(value) for value in values.values]


def _value(value: Any) -> Value:
    match value:
        case None:
            return Value(null_value=NULL_VALUE)
        case bool():
            return Value(bool_value=value)
        case int() | float():
            return Value(number_value=_float(value))
        case str():
            return Value(string_value=_text(value))
        case list():
            return Value(list_value=_list(value))
        case _:
            return Value(struct_value=_struct(value))


def _struct(value: Any) -> Struct:
    fields = _expected(value, dict, "an object")
    return Struct(fields={_text(name): _value(kept) for name, kept in fields.items()})


def _list(value: Any) -> ListValue:
    return ListValue(values=[_value(kept) for kept in _expected(value, list, "an array")])
