"""The only table between domain errors and gRPC statuses, read in both directions.

Details travel as `google.rpc.Status` in the trailing metadata (AIP-193): ErrorInfo with the stable reason, BadRequest
with the field violations, RetryInfo where waiting helps. Trailers stay under the 8 KiB that clients accept by default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode, aio

from libs.common import errors
from libs.common.errors import DomainError, FieldViolation

DETAILS = "grpc-status-details-bin"
DOMAIN = "llmchat"

# Bytes. The text is percent-encoded (up to 3 for 1) and the details base64-encoded (4 for 3), the text being in both.
_MAX_TEXT = 500
_MAX_VIOLATIONS = 3_000
_MAX_VALUE = 200

_CODES: dict[type[DomainError], StatusCode] = {
    errors.Invalid: StatusCode.INVALID_ARGUMENT,
    errors.NotFound: StatusCode.NOT_FOUND,
    errors.AlreadyExists: StatusCode.ALREADY_EXISTS,
    errors.Stale: StatusCode.ABORTED,
    errors.Contended: StatusCode.ABORTED,
    errors.Conflict: StatusCode.ABORTED,
    errors.Precondition: StatusCode.FAILED_PRECONDITION,
    errors.Unauthenticated: StatusCode.UNAUTHENTICATED,
    errors.Denied: StatusCode.PERMISSION_DENIED,
    errors.Exhausted: StatusCode.RESOURCE_EXHAUSTED,
    errors.Unavailable: StatusCode.UNAVAILABLE,
    errors.DeadlineExceeded: StatusCode.DEADLINE_EXCEEDED,
}
_OUT_OF_RANGE = "OUT_OF_RANGE"
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """A status as gRPC sends it: `details` is a serialized `google.rpc.Status`."""

    code: StatusCode
    text: str
    details: bytes


def refusal(error: DomainError) -> Refusal | None:
    """The status of `error`; None for an error that no caller should ever meet, which is a bug."""
    code = _CODES.get(type(error))
    if code is None:
        return None
    metadata = {key: _cut(value, _MAX_VALUE) for key, value in error.metadata.items()}
    hints: list[Message] = []
    if isinstance(error, errors.Invalid):
        code = StatusCode.OUT_OF_RANGE if error.reason == _OUT_OF_RANGE else code
        request = _bad_request(error.violations)
        hints += [request] if request.field_violations else []
        if left_off := len(error.violations) - len(request.field_violations):
            metadata["violations_left_off"] = str(left_off)
    elif isinstance(error, errors.Exhausted | errors.Unavailable) and error.retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromNanoseconds(int(error.retry_after * _NANOSECONDS))
        hints.append(retry)
    return _refusal(code, error.text, error_details_pb2.ErrorInfo(reason=error.reason, metadata=metadata), hints)


def fixed_refusal(code: StatusCode, text: str) -> Refusal:
    """A status that says nothing of its cause; its reason is the code's name."""
    return _refusal(code, text, error_details_pb2.ErrorInfo(reason=code.name))


def _refusal(code: StatusCode, text: str, info: error_details_pb2.ErrorInfo, hints: Sequence[Message] = ()) -> Refusal:
    info.domain = DOMAIN
    status = status_pb2.Status(code=code.value[0], message=_cut(text, _MAX_TEXT))
    for detail in (info, *hints):
        status.details.add().Pack(detail)
    return Refusal(code, status.message, status.SerializeToString())


def _bad_request(violations: Sequence[FieldViolation]) -> error_details_pb2.BadRequest:
    """The violations, in order, as far as they fit."""
    request = error_details_pb2.BadRequest()
    for violation in violations:
        field, description = _cut(violation.field, _MAX_VALUE), _cut(violation.description, _MAX_VALUE)
        request.field_violations.add(field=field, description=description)
        if request.ByteSize() > _MAX_VIOLATIONS:
            request.field_violations.pop()
            break
    return request


def _cut(text: str, size: int) -> str:
    """`text` in at most `size` bytes of UTF-8."""
    encoded = text.encode("utf-8", "replace")
    return text if len(encoded) <= size else encoded[: size - 3].decode("utf-8", "ignore") + "…"


@dataclass(slots=True)
class _Details:
    """What a status from another service carries; `reason` is empty where it was not one of ours that answered."""

    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    violations: tuple[FieldViolation, ...] = ()
    retry_after: float | None = None


def from_rpc_error(error: aio.AioRpcError) -> DomainError:
    """The domain error that another service raised; a bug of its own comes back as a plain `DomainError`.

    The text is the other service's where one of ours wrote it. What gRPC itself says (addresses, sockets) is left out.
    """
    code, found = error.code(), _read(error)
    text = (error.details() or "") if found.reason else _PLAIN.get(code, f"a service answered {code.name}")
    reason = found.reason or None
    match code:
        case StatusCode.INVALID_ARGUMENT | StatusCode.OUT_OF_RANGE if reason:
            return errors.Invalid(text, found.violations, reason=reason, metadata=found.metadata)
        case StatusCode.NOT_FOUND if reason:
            return errors.NotFound(found.metadata.get("kind", ""), found.metadata.get("id", ""))
        case StatusCode.ABORTED if reason == errors.Stale.reason:
            return errors.Stale(text, metadata=found.metadata)
        case StatusCode.ABORTED:
            return errors.Contended(text, reason=reason, metadata=found.metadata)
        case StatusCode.RESOURCE_EXHAUSTED:
            return errors.Exhausted(text, reason=reason, retry_after=found.retry_after)
        case StatusCode.UNAVAILABLE | StatusCode.CANCELLED:
            return errors.Unavailable(text, reason=reason, retry_after=found.retry_after if reason else 1.0)
        case StatusCode.DEADLINE_EXCEEDED:
            return errors.DeadlineExceeded(text)
    for kind in (errors.AlreadyExists, errors.Precondition, errors.Unauthenticated, errors.Denied):
        if code is _CODES[kind]:
            return kind(text, reason=reason, metadata=found.metadata)
    return DomainError(text, reason=code.name)


_PLAIN = {
    StatusCode.UNAVAILABLE: "a service cannot be reached",
    StatusCode.CANCELLED: "a service cancelled the call",
    StatusCode.DEADLINE_EXCEEDED: "a service did not answer in time",
    StatusCode.RESOURCE_EXHAUSTED: "a message between services is too large",
}


def _read(error: aio.AioRpcError) -> _Details:
    found = _Details()
    try:
        status = status_pb2.Status.FromString(dict(error.trailing_metadata()).get(DETAILS, b""))
    except DecodeError:
        return found
    info, request, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    for detail in status.details:
        if detail.Unpack(info) and info.domain == DOMAIN:
            found.reason, found.metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(request):
            found.violations = tuple(FieldViolation(v.field, v.description) for v in request.field_violations)
        elif detail.Unpack(retry):
            found.retry_after = retry.retry_delay.ToNanoseconds() / _NANOSECONDS
    return found
