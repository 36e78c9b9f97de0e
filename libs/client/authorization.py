"""What calls carry to say in whose name they are made, and its renewal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace

from llmchat.users.v1.users_service_pb2 import LoginResponse, RefreshSessionRequest

from libs.client.session import Session
from libs.common.clock import Clock, wall_clock
from libs.common.errors import DomainError, Unauthenticated

# Exchanges a refresh token at the server.
Refresh = Callable[[RefreshSessionRequest], Awaitable[LoginResponse]]
# Is told of each session that a sign-in or a refresh brings.
OnSession = Callable[[Session], None]
# The session as it is kept where several processes share it, for this one alone while the context lasts; None where
# none is.
Shared = Callable[[], AbstractAsyncContextManager[Session | None]]


class Authorization:
    """A session, refreshed by whichever call needs it first while the others wait."""

    def __init__(
        self,
        session: Session | None,
        refresh: Refresh,
        *,
        on_session: OnSession | None = None,
        shared: Shared | None = None,
        clock: Clock = wall_clock,
    ) -> None:
        self.session = session
        self._refresh = refresh
        self._on_session = on_session or (lambda session: None)
        self._shared: Shared = shared or (lambda: nullcontext(self.session))
        self._clock = clock
        # Done once the exchange that is under way is, with its failure.
        self._exchanging: asyncio.Future[None] | None = None

    async def enter(self, answer: LoginResponse) -> None:
        """Calls are made in the name of who has signed in from now on."""
        async with self._shared():
            self._take(answer, tell=True)

    async def token(self) -> str:
        """What the next call carries, empty for nobody; a token that is about to expire is exchanged first.

        Raises:
            DomainError: it was to be exchanged, and could not be.
        """
        session = self.session
        if session is not None and self._is_to_be_renewed(session):
            await self._renew(session.token)
        return self.session.token if self.session is not None else ""

    async def renewed(self, refused: str, failure: DomainError) -> bool:
        """Whether there is another token in place of one that the server refused with `failure`: it had expired.

        Raises:
            DomainError: it was to be exchanged, and could not be.
        """
        if self.session is None or not self.session.refresh_token:
            return False
        if not isinstance(failure, Unauthenticated) or failure.reason != "TOKEN_EXPIRED":
            return False
        await self._renew(refused)
        return True

    async def _renew(self, refused: str) -> None:
        """Returns once there is another token than `refused`: exchanged by this call, or by one that came before it.

        Where that one fails this one does, too, and does not try for as long again; where it is cancelled, this one
        takes its place.
        """
        while self.session is not None and self.session.token == refused:
            if self._exchanging is not None:
                await asyncio.shield(self._exchanging)
                continue
            done = self._exchanging = asyncio.get_running_loop().create_future()
            try:
                await self._exchange(self.session)
            except DomainError as failure:
                done.set_exception(failure)
                # It counts as seen, whether or not others wait for it.
                done.exception()
                raise
            finally:
                self._exchanging = None
                if not done.done():
                    done.set_result(None)

    async def _exchange(self, session: Session) -> None:
        async with self._shared() as kept:
            # Somebody else may have signed in there meanwhile, or this person have left.
            is_kept = kept is not None and kept.username == session.username
            if kept is not None and is_kept and kept.token != session.token:
                session = self.session = kept
                if not self._is_to_be_renewed(kept):
                    return
            request = RefreshSessionRequest(refresh_token=session.refresh_token, request_id=session.refresh_id)
            try:
                answer = await self._refresh(request)
            except Unauthenticated:
                if self.session is session:
                    # Nothing is gained by asking again.
                    self.session = replace(session, refresh_token="")
                raise
            # Another may have been entered by now.
            if self.session is session:
                self._take(answer, tell=is_kept)

    def _take(self, answer: LoginResponse, *, tell: bool) -> None:
        self.session = Session.opened(answer, self._clock())
        if tell:
            self._on_session(self.session)

    def _is_to_be_renewed(self, session: Session) -> bool:
        return bool(session.refresh_token) and 0 < session.renew_at <= self._clock()


def of_token(token: str) -> Authorization:
    """A bare token, good for as long as it is."""

    async def refuse(request: RefreshSessionRequest) -> LoginResponse:
        raise Unauthenticated("a bare token is not refreshed")

    return Authorization(Session("", token), refuse)
