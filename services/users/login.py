"""Signing in: a username and password for a short token."""

from __future__ import annotations

from llmchat.users.stored.v1.user_pb2 import UserRecord
from llmchat.users.v1.user_pb2 import USER_STATUS_ACTIVE, USER_STATUS_SUSPENDED
from llmchat.users.v1.users_service_pb2 import LoginRequest

from libs.common.clock import timestamp
from libs.common.crypto.passwords import Passwords
from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.errors import Denied, Unauthenticated
from services.users.collections import USERNAMES, USERS
from services.users.user import username_id


async def login(documents: Documents, passwords: Passwords, request: LoginRequest) -> UserRecord:
    """The account that the username and password open; the time of the login is stored in it.

    An unknown username gets the answer of a wrong password and takes as long.

    Raises:
        Unauthenticated: the pair is wrong (reason WRONG_CREDENTIALS).
        Denied: the pair is right and the account is suspended or deleted (reason ACCOUNT_SUSPENDED, ACCOUNT_DELETED).
    """
    known = await _by_username(documents, request.username)
    if known is None:
        await passwords.verify_nobody(request.password)
        raise _wrong()
    if not await passwords.verify(request.password, known.password_hash):
        raise _wrong()

    async def admit(unit: Unit) -> UserRecord:
        record = await unit.find(USERS, known.id)
        if record is None:
            raise _wrong()
        _require_active(record)
        record.last_login_at.CopyFrom(timestamp(unit.now))
        return unit.put(USERS, record)

    return await documents.unit(admit)


async def _by_username(documents: Documents, username: str) -> UserRecord | None:
    name = await documents.find(USERNAMES, username_id(username))
    return await documents.find(USERS, name.user_id) if name else None


def _require_active(record: UserRecord) -> None:
    if record.status == USER_STATUS_SUSPENDED:
        raise Denied("the account is suspended", reason="ACCOUNT_SUSPENDED")
    if record.status != USER_STATUS_ACTIVE:
        raise Denied("the account is deleted", reason="ACCOUNT_DELETED")


def _wrong() -> Unauthenticated:
    return Unauthenticated("the username or the password is wrong", reason="WRONG_CREDENTIALS")
