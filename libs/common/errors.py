"""The domain errors: raised where they are found, mapped to gRPC in `rpc/status.py` and nowhere else.

Every error has a `reason`: a stable UPPER_SNAKE_CASE word that callers may branch on. It reaches
them as `google.rpc.ErrorInfo.reason`. The text is for people and may change. Neither ever holds a secret.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One broken rule of one field of a request; `field` is its path in proto names (`thread.title`)."""

    field: str
    description: str


class DomainError(Exception):
    """What a rule or a store refuses. `metadata` is shown to the caller beside the reason."""

    reason = "UNSPECIFIED"

    def __init__(self, text: str, *, reason: str | None = None, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.reason = reason or type(self).reason
        self.metadata = dict(metadata or {})


class Invalid(DomainError):
    """The request can never succeed as it is; every violation found is listed."""

    reason = "INVALID_REQUEST"

    def __init__(
        self,
        text: str,
        violations: Sequence[FieldViolation] = (),
        *,
        reason: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(text, reason=reason, metadata=metadata)
        self.violations = tuple(violations)

    @classmethod
    def field(
        cls, field: str, description: str, *, reason: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> Invalid:
        """One field breaks one rule."""
        violations = (FieldViolation(field, description),)
        return cls(f"{field}: {description}", violations, reason=reason, metadata=metadata)


class NotFound(DomainError):
    """No such document, or one that is not the caller's: the two are never told apart."""

    reason = "NOT_FOUND"

    def __init__(self, kind: str, id: str) -> None:
        super().__init__(f"{kind} {id!r} not found", metadata={"kind": kind, "id": id})


class AlreadyExists(DomainError):
    """A unique value is taken."""

    reason = "ALREADY_EXISTS"


class Stale(DomainError):
    """The caller changed a document on the strength of an etag that is no longer current."""

    reason = "STALE_ETAG"


class Contended(DomainError):
    """A unit of work met a conflict at every attempt; nothing was stored and the call may be repeated."""

    reason = "CONTENDED"


class Precondition(DomainError):
    """The system is not in the state that the request needs; repeating it unchanged does not help."""

    reason = "FAILED_PRECONDITION"


class Unauthenticated(DomainError):
    """Who calls could not be established."""

    reason = "UNAUTHENTICATED"


class Denied(DomainError):
    """The caller is known and the policy of the RPC does not allow it."""

    reason = "PERMISSION_DENIED"


class Exhausted(DomainError):
    """A limit is reached. `retry_after` is in seconds; None where waiting does not help."""

    reason = "RESOURCE_EXHAUSTED"

    def __init__(self, text: str, *, reason: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(text, reason=reason)
        self.retry_after = retry_after


class Unavailable(DomainError):
    """A part is down or stopping; nothing was stored and the call may be repeated after `retry_after` seconds."""

    reason = "UNAVAILABLE"

    def __init__(self, text: str, *, reason: str | None = None, retry_after: float | None = 1.0) -> None:
        super().__init__(text, reason=reason)
        self.retry_after = retry_after


class DeadlineExceeded(DomainError):
    """The time the caller gave ran out before the work was done."""

    reason = "DEADLINE_EXCEEDED"


class Conflict(DomainError):
    """A commit found a document at another revision than it expected; nothing of the commit was stored.

    Raised by stores. A unit of work retries on it, so callers of an RPC never meet it.
    """

    reason = "CONFLICT"

    def __init__(self, collection: str, id: str) -> None:
        super().__init__(f"{collection}/{id} has moved", metadata={"collection": collection, "id": id})
        self.collection = collection
        self.id = id
