"""A server's clock that a test puts forward."""

from __future__ import annotations

from libs.common.clock import wall_clock

# Seconds.
TOKEN_LIFE = 900


class ServersClock:
    """The wall's time, put forward: the server finds tokens expired that a client believes to be good."""

    def __init__(self) -> None:
        self._ahead = 0

    def __call__(self) -> int:
        return wall_clock() + self._ahead

    def let_tokens_expire(self) -> None:
        """All access tokens that there are."""
        self._ahead += (TOKEN_LIFE + 1) * 1000
