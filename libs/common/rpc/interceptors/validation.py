"""The rules of what a request may hold, checked before a handler sees it: those of the protos, and that of text."""

from __future__ import annotations

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

    def check(self, request: Message) -> None:
        """Returns where `request` keeps every rule.

        Raises:
            Invalid: with every broken rule of every field.
        """
        broken = self._validator.collect_violations(request)
        unfit = self._text.violations(request)
        if broken or unfit:
            violations = [FieldViolation(_path(violation), violation.proto.message) for violation in broken] + unfit
            raise errors.Invalid("; ".join(f"{v.field}: {v.description}" for v in violations), violations)


def _path(violation: Violation) -> str:
    """The broken field as a path in proto names: `thread.settings.tags[2]`, `thread.models["gpt-5"].summary`."""
    if violation.proto.field is None:
        return ""
    parts = []
    for element in violation.proto.field.elements:
        subscript = element.subscript
        parts.append(element.field_name + ("" if subscript is None else written(subscript.value)))
    return ".".join(parts)
