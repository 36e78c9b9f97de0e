"""Who calls and on what terms: made by the interceptors, handed to every handler, readable by what it calls."""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """An established identity. All empty: nobody. `service` and `user_id`: a service that acts for a user.

    `session_id` or `access_key_id` says by what the user came in. `permissions` limits what an access key may do
    (`thread.read`, `thread.*`, `*`); None: not limited.
    """

    user_id: str = ""
    service: str = ""
    is_admin: bool = False
    session_id: str = ""
    access_key_id: str = ""
    permissions: frozenset[str] | None = None

    @property
    def actor(self) -> str:
        """The word for journals and audits: the user, else `service:<name>`, else empty."""
        return self.user_id or (f"service:{self.service}" if self.service else "")


NOBODY = Caller()


@dataclass(frozen=True, slots=True)
class Verified:
    """What a credential proves, and from when to when, in milliseconds of the epoch."""

    caller: Caller
    issued_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Call:
    """One RPC being served. `deadline` is on the clock of `time.monotonic`, in seconds; None where there is none.

    `address` is where the client is, as far as is known, where nobody is signed in; else empty.
    """

    method: str = ""
    caller: Caller = NOBODY
    request_id: str = ""
    traceparent: str = ""
    deadline: float | None = None
    address: str = ""

    def remaining(self) -> float | None:
        """Seconds left until the deadline, never negative; None where there is none."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())


SYSTEM = Call()
_current: ContextVar[Call] = ContextVar("call", default=SYSTEM)


def current_call() -> Call:
    """The call that this task serves; `SYSTEM` where it serves none."""
    return _current.get()


def enter_call(call: Call) -> None:
    """Makes `call` the current one for the rest of this task and the tasks it starts."""
    _current.set(call)
