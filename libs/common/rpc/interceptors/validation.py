"""The field rules that the protos declare, checked before a handler sees the request."""

from __future__ import annotations

from google.protobuf.message import Message
from protovalidate import Validator, Violation

from libs.common import errors
from libs.common.errors import FieldViolation


class Validation:
    """Checks requests against their `buf.validate` rules; rules are compiled once per message type."""

    def __init__(self) -> None:
        self._validator = Validator()

    def check(self, request: Message) -> None:
        """Returns where `request` keeps every rule.

        Raises:
            Invalid: with every broken rule of every field.
        """
        found = self._validator.collect_violations(request)
        if found:
            violations = [FieldViolation(_path(violation), violation.proto.message) for violation in found]
            raise errors.Invalid("; ".join(f"{v.field}: {v.description}" for v in violations), violations)


def _path(violation: Violation) -> str:
    """The broken field as a path in proto names: `thread.settings.tags[2]`, `thread.models["gpt-5"].summary`."""
    if violation.proto.field is None:
        return ""
    parts = []
    for element in violation.proto.field.elements:
        subscript = element.subscript
        if subscript is None:
            parts.append(element.field_name)
        elif isinstance(subscript.value, str):
            parts.append(f'{element.field_name}["{subscript.value}"]')
        else:
            parts.append(f"{element.field_name}[{str(subscript.value).lower()}]")
    return ".".join(parts)
