"""A sign-in as a client holds it: the access token that calls carry, and what the next one is had for."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from llmchat.users.v1.users_service_pb2 import LoginResponse

from libs.common.clock import milliseconds

# An access token is exchanged this long before it expires, and no longer before than a fifth of its life.
_MARGIN_MS = 30_000


@dataclass(frozen=True, slots=True)
class Session:
    """Whose sign-in it is, and its secrets. All but the first two are empty where it cannot be refreshed.

    Attributes:
        username: The person; empty where a bare token was given.
        token: What calls carry: an access token or an access key.
        renew_at: When the token is to be exchanged, in milliseconds of the epoch by this machine's clock; 0: not known.
        refresh_token: What the next token is had for, once.
        refresh_id: The `request_id` of that exchange. It is kept with the refresh token, whoever asks and however
            often: under another id a repeat would be a second use, by which the server knows a thief.
    """

    username: str
    token: str = field(repr=False)
    renew_at: int = 0
    refresh_token: str = field(default="", repr=False)
    refresh_id: str = field(default="", repr=False)

    @classmethod
    def opened(cls, answer: LoginResponse, now: int) -> Session:
        """The session that a sign-in or a refresh gave at `now`, in milliseconds of the epoch."""
        # By the server's own times, so that clocks which differ do not matter.
        issued_at = milliseconds(answer.session.last_used_at) or now
        life = max(0, milliseconds(answer.expires_at) - issued_at)
        return cls(
            username=answer.user.username,
            token=answer.access_token,
            renew_at=now + life - min(_MARGIN_MS, life // 5),
            refresh_token=answer.refresh_token,
            refresh_id=uuid.uuid4().hex,
        )
