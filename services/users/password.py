"""Changing one's password."""

from __future__ import annotations

from functools import partial

from google.protobuf.empty_pb2 import Empty
from llmchat.users.stored.v1.user_pb2 import UserRecord
from llmchat.users.v1.users_service_pb2 import ChangePasswordRequest

from libs.common.audit import audit
from libs.common.clock import timestamp
from libs.common.context import Call
from libs.common.crypto.passwords import Passwords
from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.errors import Denied
from libs.common.events.outbox import Outbox
from services.users.collections import USERS
from services.users.sessions import Sessions
from services.users.throttle import Attempt, Throttle
from services.users.user import ME, own_record, username_id

_WRONG = "WRONG_PASSWORD"


class PasswordChange:
    """Replaces passwords. To guess at the current one is throttled with the logins of the account."""

    def __init__(
        self, documents: Documents, outbox: Outbox, passwords: Passwords, throttle: Throttle, sessions: Sessions
    ) -> None:
        self._documents = documents
        self._outbox = outbox
        self._passwords = passwords
        self._throttle = throttle
        self._sessions = sessions

    async def change(self, call: Call, request: ChangePasswordRequest) -> Empty:
        """Stores the new password and ends the caller's sessions, but the one that the call came by.

        Raises:
            NotFound: the account is deleted.
            Exhausted: too many logins or changes have failed (reason LOGIN_THROTTLED); no password was looked at.
            Denied: the current password is another one (reason WRONG_PASSWORD).
        """
        known = await own_record(self._documents, call.caller, ME)
        attempt = await self._throttle.begin(username_id(known.username))
        new_hash = await self._passwords.hash(request.new_password)
        while True:
            is_right = await self._passwords.verify(request.current_password, known.password_hash)
            try:
                return await self._replace(call, request, known, attempt, new_hash if is_right else "")
            except _Moved:
                # By a login that had it hashed anew, or by another change.
                known = await own_record(self._documents, call.caller, ME)
            except Denied as error:
                if error.reason == _WRONG:
                    await self._documents.unit(partial(self._audit, user_id=known.id, failure=_WRONG))
                raise

    async def _replace(
        self, call: Call, request: ChangePasswordRequest, known: UserRecord, attempt: Attempt, new_hash: str
    ) -> Empty:
        async def replace(unit: Unit) -> Empty:
            # In here, so that a repeat of a change that was made is not told that the password is wrong by now.
            if not new_hash:
                raise Denied("the current password is wrong", reason=_WRONG)
            record = await own_record(unit, call.caller, ME)
            if record.password_hash != known.password_hash:
                raise _Moved
            record.password_hash = new_hash
            record.updated_at.CopyFrom(timestamp(unit.now))
            unit.put(USERS, record)
            await self._throttle.succeeded(unit, attempt)
            await self._sessions.end_all(unit, record.id, keep=call.caller.session_id)
            await self._audit(unit, user_id=record.id)
            return Empty()

        return await self._documents.once(call, request, Empty, replace)

    async def _audit(self, unit: Unit, *, user_id: str, failure: str = "") -> None:
        fields = () if failure else ("password_hash",)
        audit(
            unit,
            self._outbox,
            "password.update",
            "user",
            user_id,
            user_id=user_id,
            changed_fields=fields,
            failure=failure,
        )


class _Moved(Exception):
    """The hash was replaced after it had been read."""
