"""What a write makes of a document."""

from __future__ import annotations

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from grpc import StatusCode

from tests.standins.firestore.errors import Refused, invalid
from tests.standins.firestore.messages import Document, FieldTransform, Value
from tests.standins.firestore.values import at, key_of, path_of, put_at

_LEAST, _MOST = -(2**63), 2**63 - 1


def written(write: Any, name: str, before: Any, now: int) -> tuple[Any, list[Any]]:
    """The document after the write, or None, and what its transforms made; `before` itself where nothing changes."""
    operation = write.WhichOneof("operation")
    if operation == "delete":
        return None, []
    if operation not in ("update", "transform"):
        raise invalid("A write needs an operation.")
    moment = Timestamp()
    moment.FromMicroseconds(now)
    after = Document(name=name)
    if before is not None and (operation == "transform" or write.HasField("update_mask")):
        after.CopyFrom(before)
    if operation == "update":
        _update(write, after)
    transforms = write.update_transforms if operation == "update" else write.transform.field_transforms
    results = [_transformed(transform, after, moment) for transform in transforms]
    if before is not None:
        after.create_time.CopyFrom(before.create_time)
        after.update_time.CopyFrom(before.update_time)
        if after == before:
            return before, results
    else:
        after.create_time.CopyFrom(moment)
    after.update_time.CopyFrom(moment)
    return after, results


def _update(write: Any, after: Any) -> None:
    if not write.HasField("update_mask"):
        for name, value in write.update.fields.items():
            after.fields[name].CopyFrom(value)
        return
    for text in write.update_mask.field_paths:
        path = path_of(text)
        put_at(after, path, at(write.update, path))


def _transformed(transform: Any, document: Any, now: Timestamp) -> Any:
    path = path_of(transform.field_path)
    old = at(document, path)
    result = Value(null_value=0)
    match transform.WhichOneof("transform_type"):
        case "set_to_server_value" if transform.set_to_server_value == FieldTransform.REQUEST_TIME:
            new = result = Value(timestamp_value=now)
        case "increment":
            new = result = _sum(old, transform.increment)
        case "append_missing_elements":
            new = _with(old, transform.append_missing_elements.values)
        case "remove_all_from_array":
            new = _without(old, transform.remove_all_from_array.values)
        case _:
            raise Refused(StatusCode.UNIMPLEMENTED, "the stand-in knows no such transform")
    put_at(document, path, new)
    return result


def _sum(old: Any, added: Any) -> Any:
    kind, other = old.WhichOneof("value_type") if old is not None else None, added.WhichOneof("value_type")
    if kind not in ("integer_value", "double_value"):
        return added
    total = getattr(old, kind) + getattr(added, other)
    if kind == other == "integer_value":
        return Value(integer_value=min(max(total, _LEAST), _MOST))
    return Value(double_value=total)


def _with(old: Any, elements: Any) -> Any:
    new = _array(old)
    there = {key_of(value) for value in new.array_value.values}
    for element in elements:
        if key_of(element) not in there:
            there.add(key_of(element))
            new.array_value.values.add().CopyFrom(element)
    return new


def _without(old: Any, elements: Any) -> Any:
    gone = {key_of(element) for element in elements}
    kept = [value for value in _array(old).array_value.values if key_of(value) not in gone]
    return Value(array_value={"values": kept})


def _array(old: Any) -> Any:
    new = Value()
    new.array_value.SetInParent()
    if old is not None and old.WhichOneof("value_type") == "array_value":
        new.CopyFrom(old)
    return new
