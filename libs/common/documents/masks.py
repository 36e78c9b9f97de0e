"""Field masks: which fields of a document an update replaces."""

from __future__ import annotations

from collections.abc import Collection

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from libs.common.errors import FieldViolation, Invalid


def apply_mask(mask: FieldMask, source: Message, target: Message, allowed: Collection[str]) -> None:
    """Replaces in `target` the fields that `mask` names by those of `source`; a path may lead into an allowed message.

    Raises:
        Invalid: the mask is empty, or names paths that do not exist or may not be changed; all of them are listed.
    """
    if not mask.paths:
        raise Invalid.field("update_mask", "names no field")
    refused = [path for path in mask.paths if not _exists(target, path) or not _within(path, allowed)]
    if refused:
        violations = [FieldViolation("update_mask", f"{path!r} is not a field that can be changed") for path in refused]
        raise Invalid(f"update_mask: {', '.join(refused)} cannot be changed", violations)
    for path in mask.paths:
        *parents, leaf = path.split(".")
        origin, place = source, target
        for name in parents:
            origin, place = getattr(origin, name), getattr(place, name)
        place.ClearField(leaf)
        _copy(origin, place, leaf)


def _copy(source: Message, target: Message, name: str) -> None:
    field = source.DESCRIPTOR.fields_by_name[name]
    value = getattr(source, name)
    if field.is_repeated:
        getattr(target, name).MergeFrom(value)
    elif field.message_type:
        if source.HasField(name):
            getattr(target, name).CopyFrom(value)
    elif not field.has_presence or source.HasField(name):
        setattr(target, name, value)


def _exists(document: Message, path: str) -> bool:
    descriptor = document.DESCRIPTOR
    *parents, leaf = path.split(".")
    for name in parents:
        field = descriptor.fields_by_name.get(name)
        if field is None or field.message_type is None or field.is_repeated:
            return False
        descriptor = field.message_type
    return leaf in descriptor.fields_by_name


def _within(path: str, allowed: Collection[str]) -> bool:
    return any(path == root or path.startswith(f"{root}.") for root in allowed)
