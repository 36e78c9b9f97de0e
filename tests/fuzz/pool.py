"""What answers held that later requests may name: ids, etags, tokens, masks that were accepted."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

# By the name of a field, where that is not the kind of what it names.
_KINDS = {"question": "message", "user_message": "message", "deleted": "thread", "replacement": "model"}
_MESSAGES = {"ModelConfig": "model", "OutboxEvent": "event"}
_KEPT = frozenset(
    ("etag", "secret", "refresh_token", "access_token", "key_hash", "after_id", "next_after_id", "username")
)
_ITEMS = 8


class Pool:
    """The last `capacity` values of each kind that each caller saw, so that it does not grow with the run."""

    def __init__(self, capacity: int = 60) -> None:
        self._capacity = capacity
        self._values: dict[tuple[str, str], list[str]] = {}

    def add(self, caller: str, kind: str, value: str) -> None:
        """Keeps a value, in place of the oldest where there are too many."""
        for who in (caller, ""):
            values = self._values.setdefault((who, kind), [])
            if value in values:
                continue
            values.append(value)
            if len(values) > self._capacity:
                del values[0]

    def pick(self, chance: random.Random, caller: str, kind: str) -> str | None:
        """A value of the kind, mostly one that the caller saw; None where there is none."""
        values = self._values.get((caller, kind))
        if not values or chance.random() < 0.2:
            values = self._values.get(("", kind))
        return chance.choice(values) if values else None

    def harvest(self, caller: str, answer: Message) -> None:
        """Keeps what the answer names."""
        for kind, value in named_in(answer):
            self.add(caller, kind, value)


def kind_of(field: FieldDescriptor) -> str:
    """What a field names: `thread` for `thread_id` and for the `id` of a `Thread`; empty for the `id` of a request."""
    name = field.name
    if name in ("id", "ids"):
        type = field.containing_type.name if field.containing_type else ""
        if type.endswith("Request"):
            return ""
        return _MESSAGES.get(type) or _snake(type)
    if name.endswith("_id"):
        return _KINDS.get(name[:-3], name[:-3])
    return name


def named_in(message: Message) -> Iterator[tuple[str, str]]:
    """The values of an answer that are worth naming again, with their kinds."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            if field.message_type.GetOptions().map_entry:
                continue
            for item in value[:_ITEMS] if field.is_repeated else (value,):
                yield from named_in(item)
        elif field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated and _is_worth_it(field.name):
            yield kind_of(field), value


def resources_of(method: str, kinds: Mapping[str, object] | Sequence[str]) -> list[str]:
    """The kinds that the name of a method names, longest first: `access_key` for `RevokeAccessKey`."""
    return sorted((kind for kind in kinds if kind.title().replace("_", "") in method), key=len, reverse=True)


def _is_worth_it(name: str) -> bool:
    return name == "id" or name.endswith("_id") or name in _KEPT


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
