"""Messages as logs, errors, exports and audit entries may show them: without the fields marked as secret."""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from llmchat.options.v1 import secret_pb2

M = TypeVar("M", bound=Message)


def redacted(message: M) -> M:
    """A copy of `message` without its secret fields, at any depth."""
    copy = type(message)()
    copy.CopyFrom(message)
    _drop_secrets(copy)
    return copy


def is_secret(field: FieldDescriptor) -> bool:
    """Whether the field is marked with `(llmchat.options.v1.secret)`."""
    # protoc's stubs give extensions the type of a bare FieldDescriptor.
    return bool(field.GetOptions().Extensions[secret_pb2.secret])  # type: ignore[index]


def _drop_secrets(message: Message) -> None:
    for field, value in message.ListFields():
        if is_secret(field):
            message.ClearField(field.name)
        elif field.message_type is None:
            continue
        elif not field.is_repeated:
            _drop_secrets(value)
        elif not field.message_type.GetOptions().map_entry:
            for item in value:
                _drop_secrets(item)
        elif field.message_type.fields_by_name["value"].message_type is not None:
            for item in value.values():
                _drop_secrets(item)
