"""Who is out although their token has not expired: asked at every call, and told to the streams that are open."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from llmchat.access.v1.access_service_pb2 import Revocation

from libs.common import errors
from libs.common.clock import Clock, milliseconds
from libs.common.context import Caller, Verified


class Revocations:
    """The revocations that this process knows of."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # By subject: until when what was issued is refused, and when that may be forgotten; milliseconds of the epoch.
        self._revoked: dict[str, tuple[int, int]] = {}
        self._streams: dict[str, set[OpenStream]] = {}

    def apply(self, revocation: Revocation) -> None:
        """Refuses from now on what the revocation is about, and cuts the subject's streams. A repeat does nothing."""
        until, forget_at = milliseconds(revocation.revoked_at), milliseconds(revocation.expires_at)
        if forget_at <= self._clock() or self._revoked.get(revocation.subject, (0, 0))[0] >= until:
            return
        self._forget_expired()
        # At the end, behind what expires earlier.
        self._revoked.pop(revocation.subject, None)
        self._revoked[revocation.subject] = (until, forget_at)
        for stream in tuple(self._streams.get(revocation.subject, ())):
            stream.cut()

    def require_standing(self, verified: Verified, *, allow_deleted: bool = False) -> None:
        """Returns where what was verified has not been revoked; of a person, not since it was issued.

        `allow_deleted`: that the person's account is deleted does not count.

        Raises:
            Unauthenticated: it has (reason SIGN_IN_ENDED).
        """
        if not self._revoked or verified.caller.service:
            return
        for subject in subjects_of(verified.caller, allow_deleted):
            # Only people come in again. A session, a key or an account never does, whatever the clocks of two
            # processes say of what came first.
            since = verified.issued_at if subject.startswith("user:") else 0
            if self._revoked.get(subject, (-1, 0))[0] >= since:
                raise sign_in_ended()

    @contextmanager
    def watching(self, caller: Caller, *, allow_deleted: bool = False) -> Iterator[OpenStream]:
        """A stream that the current task serves to the caller: it is cut when the caller is out."""
        stream = OpenStream()
        subjects = () if caller.service else tuple(subjects_of(caller, allow_deleted))
        for subject in subjects:
            self._streams.setdefault(subject, set()).add(stream)
        try:
            yield stream
        finally:
            for subject in subjects:
                self._streams[subject].discard(stream)
                if not self._streams[subject]:
                    del self._streams[subject]

    def _forget_expired(self) -> None:
        now = self._clock()
        while self._revoked:
            eldest = next(iter(self._revoked))
            if self._revoked[eldest][1] > now:
                return
            del self._revoked[eldest]


class OpenStream:
    """A stream of the task that made it."""

    def __init__(self) -> None:
        self.is_cut = False
        self._task = asyncio.current_task()

    def cut(self) -> None:
        """Cancels the task, once: what it does at its end is not to be cut, too. `is_cut` then says why."""
        if not self.is_cut and self._task is not None:
            self._task.cancel()
        self.is_cut = True


def subjects_of(caller: Caller, allow_deleted: bool) -> Iterator[str]:
    """What a revocation may be about that ends the caller's access, as `Revocation.subject` says it."""
    if caller.user_id:
        yield f"user:{caller.user_id}"
        if not allow_deleted:
            yield f"account:{caller.user_id}"
    if caller.session_id:
        yield f"session:{caller.session_id}"
    if caller.access_key_id:
        yield f"access_key:{caller.access_key_id}"


def sign_in_ended() -> errors.Unauthenticated:
    """What a caller hears who is out."""
    return errors.Unauthenticated("the sign-in has ended: sign in again", reason="SIGN_IN_ENDED")
