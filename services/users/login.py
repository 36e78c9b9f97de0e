"""Signing in with a username and a password."""

from __future__ import annotations

from llmchat.users.stored.v1.user_pb2 import UserRecord
from llmchat.users.v1.users_service_pb2 import LoginRequest, LoginResponse

from libs.common.audit import audit
from libs.common.context import Call
from libs.common.crypto.passwords import Passwords
from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.errors import Denied, DomainError, Unauthenticated
from libs.common.events.outbox import Outbox
from services.users.collections import USERNAMES, USERS
from services.users.sessions import Sessions
from services.users.throttle import Attempt, Throttle
from services.users.user import username_id


class Login:
    """Logins. A known username and an unknown one have the same done in the same order: reads, commits, bcrypt."""

    def __init__(
        self, documents: Documents, outbox: Outbox, passwords: Passwords, throttle: Throttle, sessions: Sessions
    ) -> None:
        self._documents = documents
        self._outbox = outbox
        self._passwords = passwords
        self._throttle = throttle
        self._sessions = sessions

    async def login(self, call: Call, request: LoginRequest) -> LoginResponse:
        """The tokens of a new session, for the right username and password.

        A password whose hash is cheaper than new ones is hashed anew.

        Raises:
            Exhausted: too many have failed (reason LOGIN_THROTTLED); no password was looked at.
            Unauthenticated: the pair is wrong (reason WRONG_CREDENTIALS).
            Denied: the pair is right, the account suspended or deleted (reason ACCOUNT_SUSPENDED, ACCOUNT_DELETED).
        """
        name_id = username_id(request.username)
        # Calls of somebody who is signed in have no address: they may not guess at others' passwords more freely.
        attempt = await self._throttle.begin(name_id, call.address or call.caller.user_id)
        while True:
            known = await self._account(name_id)
            if not await self._passwords.verify(request.password, known.password_hash):
                raise await self._refused(known, _wrong())
            better = ""
            if self._passwords.is_cheap(known.password_hash):
                better = await self._passwords.hash(request.password)
            try:
                answer = await self._admit(known, better, attempt, request)
            except Denied as error:
                raise await self._refused(known, error, attempt) from None
            if answer is not None:
                return answer
            # The hash was replaced while it was verified: by another login's better one, or with the password.

    async def _account(self, name_id: str) -> UserRecord:
        """The account of the name; an empty one where there is none, after as many reads."""
        name = await self._documents.find(USERNAMES, name_id)
        record = await self._documents.find(USERS, name.user_id if name else name_id)
        return record or UserRecord()

    async def _admit(
        self, known: UserRecord, better: str, attempt: Attempt, request: LoginRequest
    ) -> LoginResponse | None:
        async def admit(unit: Unit) -> LoginResponse | None:
            record = await unit.find(USERS, known.id)
            if record is None or record.password_hash != known.password_hash:
                return None
            if better:
                record.password_hash = better
            await self._throttle.succeeded(unit, attempt)
            session = await self._sessions.open(unit, record, request.client_name)
            return self._sessions.answer(record, session)

        return await self._documents.unit(admit)

    async def _refused(self, known: UserRecord, error: DomainError, right: Attempt | None = None) -> DomainError:
        """The error, once it is audited; `right` is an attempt whose password was right all the same."""

        async def refused(unit: Unit) -> None:
            if right is not None:
                await self._throttle.succeeded(unit, right)
            audit(unit, self._outbox, "user.login", "user", known.id, user_id=known.id, failure=error.reason)

        await self._documents.unit(refused)
        return error


def _wrong() -> Unauthenticated:
    return Unauthenticated("the username or the password is wrong", reason="WRONG_CREDENTIALS")
