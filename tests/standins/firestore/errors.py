"""What the stand-in refuses, in the words and codes of the real one."""

from __future__ import annotations

from grpc import StatusCode


class Refused(Exception):
    """Ends the call with a status."""

    def __init__(self, code: StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def invalid(text: str) -> Refused:
    """What no state of the database would make right."""
    return Refused(StatusCode.INVALID_ARGUMENT, text)


def aborted() -> Refused:
    """Two transactions met."""
    return Refused(StatusCode.ABORTED, "Too much contention on these documents. Please try again.")
