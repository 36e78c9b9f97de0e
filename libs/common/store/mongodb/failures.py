"""The driver's errors as ours, in texts that hold no URL, no credentials and nothing of a document."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bson.errors import InvalidDocument
from pymongo.errors import (
    ConfigurationError,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
)

from libs.common.errors import Invalid, Unavailable

# BSONObjectTooLarge, of what is inserted; and what an update would lead to.
_TOO_LARGE = {10334, 17419, 17420}
_WAITED = (ExecutionTimeout, NetworkTimeout, WaitQueueTimeoutError)


@contextmanager
def told(where: str) -> Iterator[None]:
    """Turns what the driver raises within into ours; `where` says which MongoDB.

    Raises:
        Invalid: a document is larger than MongoDB takes (16 MB), or holds a number beyond 64 bits.
        Unavailable: everything else.
    """
    try:
        yield
    except (InvalidDocument, OverflowError) as error:
        raise Invalid("a document holds what MongoDB cannot, or more than 16 MB of it") from error
    except PyMongoError as error:
        if isinstance(error, OperationFailure) and error.code in _TOO_LARGE:
            raise Invalid("a document is larger than the 16 MB that MongoDB takes") from error
        raise Unavailable(f"{where}: {_reason(error)}") from error


def _reason(error: PyMongoError) -> str:
    if isinstance(error, ServerSelectionTimeoutError):
        return "no primary answers"
    if isinstance(error, _WAITED) or error.timeout:
        return "took too long"
    if isinstance(error, OperationFailure) and error.code is not None:
        return str((error.details or {}).get("codeName") or f"error {error.code}")
    if isinstance(error, ConfigurationError):
        return "its settings do not fit it"
    return "the connection was lost"
