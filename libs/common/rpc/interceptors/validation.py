"""The rules of what a request may hold, checked before a handler sees it: those of the protos, and that of text."""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from protovalidate import Validator, Violation

from libs.common import errors
from libs.common.errors import FieldViolation
from libs.common.rpc.interceptors.text import TextRule, written


class Validation:
    """Checks requests against their `buf.validate` rules and their texts; both are compiled once per message type."""

    def __init__(self) -> None:
        self._validator = Validator()
        self._text = TextRule()
        # Steps of streams come by the thousand, and most of them are of a kind that has no rule.
        self._free: dict[type[Message], tuple[str, frozenset[str]]] = {}

    def check(self, request: Message) -> None:
        """Returns where `request` keeps every rule.

        Raises:
            Invalid: with every broken rule of every field.
        """
        oneof, free = self._free.get(type(request)) or self._learn(type(request))
        is_free = bool(free) and request.WhichOneof(oneof) in free
        broken = [] if is_free else self._validator.collect_violations(request)
        unfit = self._text.violations(request)
        if broken or unfit:
            violations = [FieldViolation(_path(violation), violation.proto.message) for violation in broken] + unfit
            raise errors.Invalid("; ".join(f"{v.field}: {v.description}" for v in violations), violations)

    def _learn(self, type: type[Message]) -> tuple[str, frozenset[str]]:
        """The oneof that is all of a message, and which of its parts keep every rule because they have none."""
        descriptor = cast(Descriptor, type.DESCRIPTOR)
        oneof = descriptor.oneofs[0] if len(descriptor.oneofs) == 1 else None
        if oneof is None or len(oneof.fields) != len(descriptor.fields) or _has_own_rules(descriptor):
            self._free[type] = ("", frozenset())
        else:
            free = frozenset(field.name for field in oneof.fields if not _has_rules(field, ()))
            self._free[type] = (oneof.name, free)
        return self._free[type]


def _has_own_rules(descriptor: Descriptor) -> bool:
    """Whether there are rules of the message or a oneof as a whole."""
    # protoc's stubs give extensions the type of a bare FieldDescriptor.
    return descriptor.GetOptions().HasExtension(validate_pb2.message) or any(  # type: ignore[arg-type]
        oneof.GetOptions().HasExtension(validate_pb2.oneof)  # type: ignore[arg-type]
        for oneof in descriptor.oneofs
    )


def _has_rules(field: FieldDescriptor, above: Collection[Descriptor]) -> bool:
    """Whether there are rules of the field or below it; `above` are the types above, which may recur."""
    if field.GetOptions().HasExtension(validate_pb2.field):  # type: ignore[arg-type]
        return True
    below = field.message_type
    if below is None or below in above:
        return False
    return _has_own_rules(below) or any(_has_rules(inner, (*above, below)) for inner in below.fields)


def _path(violation: Violation) -> str:
    """The broken field as a path in proto names: `thread.settings.tags[2]`, `thread.models["gpt-5"].summary`."""
    if violation.proto.field is None:
        return ""
    parts = []
    for element in violation.proto.field.elements:
        subscript = element.subscript
        parts.append(element.field_name + ("" if subscript is None else written(subscript.value)))
    return ".".join(parts)
