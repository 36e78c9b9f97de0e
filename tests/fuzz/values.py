"""Values for one field: such as keep its rules, such as are at their edge, and such as nobody would think of."""

from __future__ import annotations

import random
import re
import string
import time
from dataclasses import dataclass

from buf.validate import validate_pb2
from google.protobuf.descriptor import FieldDescriptor

# What strings that are secrets are made of: none of it may ever be in a log.
CANARY = "canary"
_WORDS = (
    "hello", "a", "Ada", "thread.read", "thread.*", "*", "#a1B2c3", "ada@fuzz.example", "echo", "no-such-model",
    "me", "1", "users", "threads", "messages", "catalog", "operations", "user.login", "session",
    "write me a poem",
)  # fmt: skip
_TEXTS = (
    "`code` and **bold** <b>html</b>\n\n```py\nx = vector<int>\n```\n", "e\u0301 👩‍👩‍👧 日本 \u202e עברית",
    "\tindented\r\nlines\r\n ", "[a](javascript:alert(1)) ![](data:,x) | a | b |\n|---|---|\n| 1 | 2 |",
    "x" * 1000, "wörd " * 40,
)  # fmt: skip
_ODD = (
    "", " ", "\0", "\n", "a\nb", "\x1b[31m", "\x7f", "\x85", "\u2028", "\ufeff", "\ufffe", "\ufdd0",
    "\U0001ffff", "🙂" * 300, "e"+ "\u0301" * 200, "../../../etc/passwd", "%s%n%x", "{0}{}", "' OR 1=1 --",
    '"; DROP TABLE users', "*", "me", "null", "thread_", "user_"+ "0" * 26, "msg_01m7z0n8savxk6snw3hm07f0y5",
    "a" * 33, "a" * 101, "a" * 257, "a" * 2001, "a" * 10_000, "settings.settings", "settings.tags.0",
    "models.a.summary", "id", "a..b", ".", "ı", "ß" * 90, "K", "\u200d", "constructor", "/", "a/b", "a%2fb",
    ",", "-1", "1e309", "NaN",
)  # fmt: skip
_NUMBERS = (
    0,
    1,
    -1,
    2,
    7,
    10,
    50,
    100,
    101,
    1000,
    1001,
    10_000,
    10_001,
    2**31 - 1,
    -(2**31),
    2**32 - 1,
    2**63 - 1,
    -(2**63),
    2**64 - 1,
)
_FLOATS = (0.0, -0.0, 0.5, 0.7, 1.0, 1.0000001, -1e-9, 2.0, 5e-324, 1.8e308, float("inf"), float("-inf"), float("nan"))
_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
# The seconds that a Timestamp may hold: from the year 1 to the year 9999.
_SECONDS = (-62_135_596_800, 253_402_300_799)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the protos declare of a field."""

    least: int
    most: int
    needed: bool
    candidates: tuple[str, ...]
    not_in: frozenset[int]


def rules_of(field: FieldDescriptor) -> Rules:
    """The rules of one value of `field`: of an item where it is repeated. Without rules, sizes are modest."""
    declared = _declared(field)
    items = declared.repeated.items if field.is_repeated else declared
    text = items.string
    fits = re.compile(text.pattern or "").search
    longest = text.max_len if text.HasField("max_len") else 100
    candidates = tuple(word for word in (*_WORDS, *_TEXTS) if fits(word) and text.min_len <= len(word) <= longest)
    if text.email:
        candidates = ()
    numbers = getattr(items, items.WhichOneof("type") or "int64")
    least, most = text.min_len, longest
    if field.cpp_type in _RANGES:
        lowest, highest = _RANGES[field.cpp_type]
        least = numbers.gte if numbers.HasField("gte") else lowest
        most = numbers.lte if numbers.HasField("lte") else highest
    needed = (
        declared.required or text.min_len > 0 or text.email or 0 in items.enum.not_in or declared.repeated.min_items > 0
    )
    return Rules(least, most, bool(needed), candidates, frozenset(items.enum.not_in))


def repetitions(field: FieldDescriptor, chance: random.Random, *, odd: bool) -> int:
    """How many items a repeated field gets."""
    rules = _declared(field).repeated
    if odd:
        return chance.choice((0, 1, 2, rules.max_items, rules.max_items + 1, 30))
    return chance.randint(max(rules.min_items, 1), min(rules.max_items or 3, 3))


def text(chance: random.Random, rules: Rules, *, odd: bool, secret: bool) -> str:
    """A string that keeps the rules, or is `odd`: then it may."""
    if secret:
        made = f"{CANARY}-{chance.getrandbits(48):x}"
        return made * chance.choice((0, 1, 1, 3, 90)) if odd else made[: rules.most]
    if odd:
        kind = chance.random()
        if kind < 0.6:
            return chance.choice(_ODD)
        if kind < 0.9:
            length = chance.choice((rules.least - 1, rules.least, rules.most, rules.most + 1))
            # The largest are dear, and seldom tell more.
            return chance.choice("xé🙂") * (length if length <= 3000 or chance.random() < 0.05 else 3000)
        return "".join(
            chr(chance.choice((chance.randrange(256), chance.randrange(0xD800)))) for _ in range(chance.randrange(40))
        )
    if rules.candidates and chance.random() < 0.8:
        return chance.choice(rules.candidates)
    length = chance.randint(max(rules.least, 1), min(rules.most, 40))
    return "".join(chance.choices(string.ascii_lowercase, k=length))


def number(chance: random.Random, field: FieldDescriptor, rules: Rules, *, odd: bool) -> int:
    """An integer within the rules, or one that its type can hold."""
    if odd:
        lowest, highest = _RANGES[field.cpp_type]
        made = chance.choice((*_NUMBERS, rules.least, rules.most, rules.least - 1, rules.most + 1))
        return min(max(made, lowest), highest)
    return chance.randint(max(rules.least, 0), min(rules.most, max(rules.least, 0) + 20))


def fraction(chance: random.Random, *, odd: bool) -> float:
    """A temperature, or any float."""
    return chance.choice(_FLOATS) if odd else round(chance.random(), 2)


def member(chance: random.Random, field: FieldDescriptor, rules: Rules, *, odd: bool) -> int:
    """A number of the enum that is allowed, or any."""
    if odd:
        return chance.choice((0, 1, 2, 3, 99, -1, 2**31 - 1, -(2**31)))
    assert field.enum_type is not None
    allowed = [value.number for value in field.enum_type.values if value.number not in rules.not_in]
    return chance.choice(allowed)


def moment(chance: random.Random, *, odd: bool) -> tuple[int, int]:
    """Seconds and nanoseconds of a timestamp: about now, or such as are none."""
    if odd:
        seconds = chance.choice((*_SECONDS, _SECONDS[0] - 1, _SECONDS[1] + 1, 0, -1, 2**63 - 1, -(2**63), 2**53))
        return seconds, chance.choice((0, 1, 999_999_999, 1_000_000_000, -1, 2**31 - 1, -(2**31)))
    return int(time.time()) + chance.randint(-100_000, 100_000), chance.randrange(1_000_000_000)


def octets(chance: random.Random) -> bytes:
    """Some bytes."""
    return chance.randbytes(chance.choice((0, 1, 16, 300)))


def _declared(field: FieldDescriptor) -> validate_pb2.FieldRules:
    # protoc's stubs give extensions the type of a bare FieldDescriptor.
    return field.GetOptions().Extensions[validate_pb2.field]  # type: ignore[index]
