"""Access keys: by which programs act for their owner.

What is stored of a key is a keyed hash: who reads the documents cannot come in by them, and cannot try guesses either.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping

from google.protobuf.empty_pb2 import Empty
from llmchat.access.v1.access_service_pb2 import ResolveAccessKeyRequest, ResolveAccessKeyResponse
from llmchat.users.stored.v1.session_pb2 import AccessKeyRecord
from llmchat.users.stored.v1.user_pb2 import UserRecord
from llmchat.users.v1.access_key_pb2 import AccessKey
from llmchat.users.v1.user_pb2 import USER_STATUS_ACTIVE
from llmchat.users.v1.users_service_pb2 import (
    CreateAccessKeyRequest,
    CreateAccessKeyResponse,
    ListAccessKeysRequest,
    ListAccessKeysResponse,
    RevokeAccessKeyRequest,
)

from libs.common.access.access_keys import id_within, invalid_access_key, new_secret
from libs.common.access.permissions import beyond, known_permissions
from libs.common.audit import audit
from libs.common.clock import milliseconds, timestamp
from libs.common.context import Call, Caller
from libs.common.documents.documents import Documents
from libs.common.documents.ownership import read_owned
from libs.common.documents.unit import Unit, new_id
from libs.common.errors import Denied, Exhausted, FieldViolation, Invalid
from libs.common.events.outbox import Outbox
from libs.common.store.port import Query
from services.users.collections import ACCESS_KEYS, USERS
from services.users.revocations import RevocationLog
from services.users.user import own_record

_MOST = 50
_PAGE = 20
_MINUTE_MS = 60_000
# Of the secret: as much as tells the keys of a person from each other, and nothing of its random part.
_PREFIX_LENGTH = 20
_KIND = "access_key"


class AccessKeys:
    """Makes, lists, resolves and revokes them."""

    def __init__(
        self, documents: Documents, outbox: Outbox, revocations: RevocationLog, keys: Mapping[str, bytes]
    ) -> None:
        """`keys` are those of the hashes by the ids of the installation's secret keys, the current one's first."""
        self._documents = documents
        self._outbox = outbox
        self._revocations = revocations
        self._keys = dict(keys)
        self._current = next(iter(keys))
        self._known = known_permissions()

    async def create(self, call: Call, request: CreateAccessKeyRequest) -> CreateAccessKeyResponse:
        """A key of the caller's; its secret is in this answer alone.

        Raises:
            Invalid: a permission is none there is; the expiry is past, or after that of the key that makes this one.
            Denied: the caller's own access key is not permitted as much (reason KEY_NOT_PERMITTED).
            Exhausted: the caller has 50 (reason TOO_MANY_ACCESS_KEYS).
        """
        # Before a repeat is answered, too: the first answer may have been one to a key that is permitted more.
        self._require_known(request.permissions)
        if beyond(request.permissions, call.caller.permissions):
            raise Denied("an access key makes none that is permitted more than itself", reason="KEY_NOT_PERMITTED")

        async def make(unit: Unit) -> CreateAccessKeyResponse:
            owner = await own_record(unit, call.caller, call.caller.user_id)
            await _require_life(unit, call.caller, request)
            theirs = Query.where(ACCESS_KEYS, order="created_at", limit=_MOST, user_id=owner.id)
            if len(await unit.query(theirs)) == _MOST:
                text = f"there are {_MOST} access keys already: revoke one first"
                raise Exhausted(text, reason="TOO_MANY_ACCESS_KEYS")
            # One after the other, so that no more than fifty are made, and none for an account that is being closed.
            unit.put(USERS, owner)
            id = new_id(ACCESS_KEYS)
            secret = new_secret(id)
            record = AccessKeyRecord(
                id=id,
                user_id=owner.id,
                name=request.name,
                prefix=secret[:_PREFIX_LENGTH],
                hash=self._hash(self._current, secret),
                key_id=self._current,
                permissions=request.permissions,
                created_at=timestamp(unit.now),
                expires_at=request.expires_at if request.HasField("expires_at") else None,
            )
            unit.create(ACCESS_KEYS, record)
            audit(unit, self._outbox, "access_key.create", _KIND, id, user_id=owner.id)
            return CreateAccessKeyResponse(access_key=_view(record), secret=secret)

        return await self._documents.once(call, request, CreateAccessKeyResponse, make)

    async def list(self, call: Call, request: ListAccessKeysRequest) -> ListAccessKeysResponse:
        """A page of the caller's keys, newest first.

        Raises:
            Invalid: the page token is not one that this list gave this caller.
        """
        size = request.page_size or _PAGE
        theirs = Query.where(ACCESS_KEYS, order="created_at", descending=True, limit=size, user_id=call.caller.user_id)
        page = await self._documents.page(theirs, request.page_token, count=request.count_total)
        return ListAccessKeysResponse(
            access_keys=[_view(record) for record in page.items],
            next_page_token=page.next_token,
            total_size=page.total,
        )

    async def revoke(self, call: Call, request: RevokeAccessKeyRequest) -> Empty:
        """Removes a key; every process refuses it.

        Raises:
            NotFound: there is no such key of the caller's.
        """

        async def remove(unit: Unit) -> Empty:
            record = await read_owned(unit, ACCESS_KEYS, call.caller, request.id, kind=_KIND)
            unit.delete(ACCESS_KEYS, record.id)
            self._revocations.revoke(unit, f"access_key:{record.id}")
            audit(unit, self._outbox, "access_key.delete", _KIND, record.id, user_id=record.user_id)
            return Empty()

        return await self._documents.once(call, request, Empty, remove)

    async def resolve(self, request: ResolveAccessKeyRequest) -> ResolveAccessKeyResponse:
        """Whom a key stands for. That it was used is stored once a minute; with that, a hash under an older secret key
        gives way to one under the current.

        Raises:
            Unauthenticated: it is unknown, revoked or expired, or its owner is out (reason INVALID_ACCESS_KEY).
        """
        record, owner = await self._standing(self._documents, request.secret)
        if self._is_due(record, self._documents.clock()):
            record, owner = await self._documents.unit(lambda unit: self._note_use(unit, request.secret))
        return ResolveAccessKeyResponse(
            access_key_id=record.id,
            user_id=owner.id,
            is_admin=owner.is_admin,
            permissions=record.permissions,
            expires_at=record.expires_at if record.HasField("expires_at") else None,
        )

    async def _standing(self, documents: Documents | Unit, secret: str) -> tuple[AccessKeyRecord, UserRecord]:
        record = await documents.find(ACCESS_KEYS, id_within(secret))
        if record is None or record.key_id not in self._keys:
            raise invalid_access_key()
        if not hmac.compare_digest(record.hash, self._hash(record.key_id, secret)):
            raise invalid_access_key()
        if record.HasField("expires_at") and milliseconds(record.expires_at) <= self._documents.clock():
            raise invalid_access_key()
        owner = await documents.find(USERS, record.user_id)
        if owner is None or owner.status != USER_STATUS_ACTIVE:
            raise invalid_access_key()
        return record, owner

    def _is_due(self, record: AccessKeyRecord, now: int) -> bool:
        return record.key_id != self._current or milliseconds(record.last_used_at) < _minute(now)

    async def _note_use(self, unit: Unit, secret: str) -> tuple[AccessKeyRecord, UserRecord]:
        record, owner = await self._standing(unit, secret)
        # Another process may have been quicker.
        if self._is_due(record, unit.now):
            record.hash, record.key_id = self._hash(self._current, secret), self._current
            record.last_used_at.CopyFrom(timestamp(_minute(unit.now)))
            unit.put(ACCESS_KEYS, record)
        return record, owner

    def _hash(self, key_id: str, secret: str) -> bytes:
        return hmac.digest(self._keys[key_id], secret.encode(), "sha256")

    def _require_known(self, permissions: Iterable[str]) -> None:
        unknown = [one for one in permissions if one not in self._known]
        if unknown:
            violations = [FieldViolation("permissions", f"there is no {one}") for one in unknown]
            raise Invalid(f"permissions: there is no {', '.join(unknown)}", violations)


async def _require_life(unit: Unit, caller: Caller, request: CreateAccessKeyRequest) -> None:
    expires_at = milliseconds(request.expires_at) if request.HasField("expires_at") else None
    if expires_at is not None and expires_at <= unit.now:
        raise Invalid.field("expires_at", "is past")
    if not caller.access_key_id:
        return
    maker = await read_owned(unit, ACCESS_KEYS, caller, caller.access_key_id, kind=_KIND)
    if maker.HasField("expires_at") and (expires_at is None or expires_at > milliseconds(maker.expires_at)):
        raise Invalid.field("expires_at", "is after that of the access key that makes this one")


def _view(record: AccessKeyRecord) -> AccessKey:
    """What the API shows of a key: all but its hash."""
    key = AccessKey(
        id=record.id,
        user_id=record.user_id,
        name=record.name,
        prefix=record.prefix,
        permissions=record.permissions,
        created_at=record.created_at,
    )
    if record.HasField("expires_at"):
        key.expires_at.CopyFrom(record.expires_at)
    if record.HasField("last_used_at"):
        key.last_used_at.CopyFrom(record.last_used_at)
    return key


def _minute(now: int) -> int:
    return now - now % _MINUTE_MS
