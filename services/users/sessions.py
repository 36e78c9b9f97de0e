"""Sessions: begun by a sign-in, carried on by refresh tokens, ended by their owner, by time, by a token used twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from google.protobuf.empty_pb2 import Empty
from llmchat.users.stored.v1.session_pb2 import SessionRecord
from llmchat.users.stored.v1.user_pb2 import UserRecord
from llmchat.users.v1.session_pb2 import Session
from llmchat.users.v1.user_pb2 import USER_STATUS_ACTIVE, USER_STATUS_DELETED, USER_STATUS_SUSPENDED
from llmchat.users.v1.users_service_pb2 import (
    ListSessionsRequest,
    ListSessionsResponse,
    LoginResponse,
    LogoutRequest,
    RefreshSessionRequest,
    RevokeSessionRequest,
)

from libs.common.access.live_config import LiveConfig
from libs.common.audit import audit
from libs.common.clock import milliseconds, timestamp
from libs.common.context import Call, Caller
from libs.common.crypto.tokens import Tokens
from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit, new_id
from libs.common.errors import Denied, NotFound, Precondition, Unauthenticated
from libs.common.events.outbox import Outbox
from libs.common.store.port import Query
from services.users.collections import SESSIONS, USERS
from services.users.revocations import RevocationLog
from services.users.session_tokens import RefreshToken, RefreshTokens, invalid_refresh_token
from services.users.user import view

MOST_SESSIONS = 100
_PAGE = 20
_REUSED = "REFRESH_TOKEN_REUSED"


class Sessions:
    """The sessions of people. Every sign-in, by whatever proof, is `open` and then `answer` in one unit."""

    def __init__(
        self,
        documents: Documents,
        outbox: Outbox,
        revocations: RevocationLog,
        tokens: Tokens,
        refresh_tokens: RefreshTokens,
        config: LiveConfig,
        *,
        token_life: int,
        session_life: float,
    ) -> None:
        """Args:
        documents: of the service.
        outbox: of the service.
        revocations: by which the access tokens of a session end with it.
        tokens: issues access tokens.
        refresh_tokens: issues and reads the others.
        config: by which the account is shown that a sign-in answers.
        token_life: of an access token, in seconds.
        session_life: of a session that is not refreshed, in seconds.
        """
        self._documents = documents
        self._outbox = outbox
        self._revocations = revocations
        self._tokens = tokens
        self._refresh_tokens = refresh_tokens
        self._config = config
        self._token_life = token_life
        self._session_ms = int(session_life * 1000)

    async def open(self, unit: Unit, record: UserRecord, client_name: str) -> SessionRecord:
        """Stages that a person signs in: the session, the time of the login in the account, the audit of it.

        At most a hundred sessions are open: one more ends the oldest.

        Args:
            unit: which has read or created the account.
            record: the account. It is put, so that of two sign-ins at once the second sees the first one's session.
            client_name: what the client calls itself; may be empty.

        Raises:
            Denied: the account is suspended or deleted (reason ACCOUNT_SUSPENDED, ACCOUNT_DELETED).
        """
        require_active(record)
        record.last_login_at.CopyFrom(timestamp(unit.now))
        unit.put(USERS, record)
        living = []
        for earlier in await self._of(unit, record.id):
            if _is_over(earlier, unit.now):
                unit.delete(SESSIONS, earlier.id)
            else:
                living.append(earlier)
        for oldest in living[: max(0, len(living) + 1 - MOST_SESSIONS)]:
            self._end(unit, oldest)
        session = SessionRecord(
            id=new_id(SESSIONS),
            user_id=record.id,
            client_name=client_name,
            created_at=timestamp(unit.now),
            last_used_at=timestamp(unit.now),
            expires_at=timestamp(unit.now + self._session_ms),
        )
        unit.create(SESSIONS, session)
        audit(unit, self._outbox, "user.login", "user", record.id, user_id=record.id)
        return session

    def answer(self, record: UserRecord, session: SessionRecord) -> LoginResponse:
        """What a sign-in or a refresh answers: fresh tokens of the session, with the account's role as it is now.

        To be made inside the unit that stages the session: no token is younger than its session's end.
        """
        access_token, expires_at = self._tokens.issue_user(
            record.id, record.is_admin, self._token_life, session_id=session.id
        )
        return LoginResponse(
            access_token=access_token,
            expires_at=timestamp(expires_at),
            user=view(self._config, record),
            refresh_token=self._refresh_tokens.issue(session.id, session.refreshes),
            session=_view(session, session.id),
        )

    async def refresh(self, call: Call, request: RefreshSessionRequest) -> LoginResponse:
        """The next tokens of a session, which lasts for its life again from now on.

        Raises:
            Unauthenticated: the token is not valid, its session is over, its owner gone (INVALID_REFRESH_TOKEN); or it
                has been used before, which ends the session: one of its two users has stolen it (REFRESH_TOKEN_REUSED).
            Denied: its owner is suspended (ACCOUNT_SUSPENDED).
        """
        token = self._refresh_tokens.read(request.refresh_token)
        session = await self._documents.find(SESSIONS, token.session_id)
        if session is None:
            raise invalid_refresh_token()

        async def carry_on(unit: Unit) -> LoginResponse:
            return await self._carry_on(unit, token)

        # The token says who calls, whatever else the call carries: a repeat may come without an access token.
        owner = Caller(user_id=session.user_id, session_id=session.id)
        try:
            return await self._documents.once(replace(call, caller=owner), request, LoginResponse, carry_on)
        except Unauthenticated as error:
            if error.reason == _REUSED:
                await self._documents.unit(lambda unit: self._end_reused(unit, token))
            raise

    async def logout(self, call: Call, request: LogoutRequest) -> Empty:
        """Ends the session by whose access token the call came.

        Raises:
            Precondition: it came without one (reason NO_SESSION).
        """
        caller = call.caller
        if not caller.session_id:
            raise Precondition("the call came without a session: nothing to log out of", reason="NO_SESSION")

        async def end(unit: Unit) -> Empty:
            # The record may be gone, by time or at the same moment; the token must be refused in any case.
            await unit.find(SESSIONS, caller.session_id)
            self._end(unit, SessionRecord(id=caller.session_id, user_id=caller.user_id))
            return Empty()

        return await self._documents.once(call, request, Empty, end)

    async def list(self, call: Call, request: ListSessionsRequest) -> ListSessionsResponse:
        """The caller's sessions, newest first. `total_size` may count some that ended by time within the hour."""
        query = Query.where(
            SESSIONS,
            order="created_at",
            descending=True,
            limit=request.page_size or _PAGE,
            user_id=call.caller.user_id,
        )
        page = await self._documents.page(query, request.page_token, count=request.count_total)
        now = self._documents.clock()
        return ListSessionsResponse(
            sessions=[_view(session, call.caller.session_id) for session in page.items if not _is_over(session, now)],
            next_page_token=page.next_token,
            total_size=page.total,
        )

    async def revoke(self, call: Call, request: RevokeSessionRequest) -> Empty:
        """Ends one of the caller's sessions.

        Raises:
            NotFound: there is none of that id, or it is another person's.
        """

        async def end(unit: Unit) -> Empty:
            session = await unit.find(SESSIONS, request.id)
            if session is None or session.user_id != call.caller.user_id or _is_over(session, unit.now):
                raise NotFound("session", request.id)
            self._end(unit, session)
            return Empty()

        return await self._documents.once(call, request, Empty, end)

    async def end_all(self, unit: Unit, user_id: str, *, keep: str = "") -> None:
        """Stages the end of a person's sessions but the one of the id `keep`; to audit why is the caller's affair.

        The unit has to put the account, too: so no session is opened meanwhile that this does not see.
        """
        for session in await self._of(unit, user_id):
            if session.id != keep:
                unit.delete(SESSIONS, session.id)
                self._revocations.revoke(unit, f"session:{session.id}")

    async def _of(self, unit: Unit, user_id: str) -> Sequence[SessionRecord]:
        """Oldest first."""
        return await unit.query(Query.where(SESSIONS, order="created_at", user_id=user_id))

    def _end(self, unit: Unit, session: SessionRecord, action: str = "session.delete") -> None:
        unit.delete(SESSIONS, session.id)
        self._revocations.revoke(unit, f"session:{session.id}")
        audit(unit, self._outbox, action, "session", session.id, user_id=session.user_id)

    async def _carry_on(self, unit: Unit, token: RefreshToken) -> LoginResponse:
        session = await unit.find(SESSIONS, token.session_id)
        if session is None or _is_over(session, unit.now) or token.number > session.refreshes:
            raise invalid_refresh_token()
        if token.number < session.refreshes:
            raise Unauthenticated("the refresh token was used before: sign in again", reason=_REUSED)
        record = await unit.find(USERS, session.user_id)
        if record is None or record.status == USER_STATUS_DELETED:
            raise invalid_refresh_token()
        require_active(record)
        session.refreshes += 1
        session.last_used_at.CopyFrom(timestamp(unit.now))
        session.expires_at.CopyFrom(timestamp(unit.now + self._session_ms))
        unit.put(SESSIONS, session)
        return self.answer(record, session)

    async def _end_reused(self, unit: Unit, token: RefreshToken) -> None:
        session = await unit.find(SESSIONS, token.session_id)
        if session is not None:
            self._end(unit, session, "session.reuse")


def require_active(record: UserRecord) -> None:
    """Returns where the account may be signed in to.

    Raises:
        Denied: it is suspended or deleted (reason ACCOUNT_SUSPENDED, ACCOUNT_DELETED).
    """
    if record.status == USER_STATUS_SUSPENDED:
        raise Denied("the account is suspended", reason="ACCOUNT_SUSPENDED")
    if record.status != USER_STATUS_ACTIVE:
        raise Denied("the account is deleted", reason="ACCOUNT_DELETED")


def _is_over(session: SessionRecord, now: int) -> bool:
    return milliseconds(session.expires_at) <= now


def _view(record: SessionRecord, current_id: str) -> Session:
    return Session(
        id=record.id,
        user_id=record.user_id,
        client_name=record.client_name,
        created_at=record.created_at,
        last_used_at=record.last_used_at,
        expires_at=record.expires_at,
        is_current=record.id == current_id,
    )
