"""Messages without the fields that an option marks: secret ones where they are shown, unjournaled ones where kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from llmchat.options.v1 import secret_pb2

M = TypeVar("M", bound=Message)


# Whether a field bears the mark.
Mark = Callable[[FieldDescriptor], bool]


def redacted(message: M) -> M:
    """A copy of `message` without its secret fields, at any depth: for logs, errors, exports and audit entries."""
    return without(is_secret, message)


def without(mark: Mark, message: M) -> M:
    """A copy of `message` without its marked fields, at any depth."""
    copy = type(message)()
    copy.CopyFrom(message)
    _drop(mark, copy)
    return copy


def is_secret(field: FieldDescriptor) -> bool:
    """Whether the field is marked with `(llmchat.options.v1.secret)`."""
    # protoc's stubs give extensions the type of a bare FieldDescriptor.
    return bool(field.GetOptions().Extensions[secret_pb2.secret])  # type: ignore[index]


def is_unjournaled(field: FieldDescriptor) -> bool:
    """Whether the field is marked with `(llmchat.options.v1.unjournaled)`."""
    return bool(field.GetOptions().Extensions[secret_pb2.unjournaled])  # type: ignore[index]


def holds(mark: Mark, descriptor: Descriptor) -> bool:
    """Whether messages of the type may hold a marked field, at any depth."""
    waiting, met = [descriptor], {descriptor.full_name}
    while waiting:
        for field in waiting.pop().fields:
            if mark(field):
                return True
            # Once each: messages may hold their own kind.
            if field.message_type is not None and field.message_type.full_name not in met:
                met.add(field.message_type.full_name)
                waiting.append(field.message_type)
    return False


def _drop(mark: Mark, message: Message) -> None:
    for field, value in message.ListFields():
        if mark(field):
            message.ClearField(field.name)
        elif field.message_type is None:
            continue
        elif not field.is_repeated:
            _drop(mark, value)
        elif not field.message_type.GetOptions().map_entry:
            for item in value:
                _drop(mark, item)
        elif field.message_type.fields_by_name["value"].message_type is not None:
            for item in value.values():
                _drop(mark, item)
