"""The deletion of an account: closed in one commit, forgotten once every service has removed what is theirs.

In between nobody comes in by it and its secrets are unreadable; its username, and what an issuer calls the person, are
not free yet.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING

from llmchat.events.v1.events_pb2 import UserDeleted, UserDeletionAdvanced
from llmchat.operations.v1.operation_pb2 import OPERATION_STATUS_RUNNING, OPERATION_TYPE_DELETE_USER, Operation
from llmchat.operations.v1.operations_service_pb2 import TrackUserDeletionRequest
from llmchat.store.v1.outbox_pb2 import OutboxEvent
from llmchat.users.stored.v1.user_pb2 import UserRecord
from llmchat.users.v1.user_pb2 import USER_STATUS_DELETED
from llmchat.users.v1.users_service_pb2 import DeleteUserRequest

from libs.common.audit import audit
from libs.common.clock import timestamp
from libs.common.context import Caller
from libs.common.documents.tombstones import bury
from libs.common.documents.unit import Unit, require_etag
from libs.common.errors import DomainError
from libs.common.events.outbox import Outbox
from libs.common.events.table import EVENTS
from services.users.belongings import remove_all
from services.users.collections import ACCESS_KEYS, IDENTITIES, SESSIONS, USERNAMES, USERS
from services.users.revocations import RevocationLog
from services.users.usage import forget_usage
from services.users.user import reachable_record, username_id

if TYPE_CHECKING:
    from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceAsyncStub

_log = logging.getLogger(__name__)
_TRACKING_SECONDS = 2.0


class Deletion:
    """Closes accounts and forgets them."""

    def __init__(self, outbox: Outbox, revocations: RevocationLog) -> None:
        self._outbox = outbox
        self._revocations = revocations

    async def begin(self, unit: Unit, caller: Caller, request: DeleteUserRequest, password_hash: str) -> Operation:
        """Stages that the account is closed, its sessions and access keys removed, its secrets overwritten; and the
        event by which all of it goes.

        `password_hash` is of a password that nobody knows: a login takes as long as before, and fails as a wrong pair
        does.

        Raises:
            NotFound: there is no such account of the caller's (of anyone's for an administrator), or it is deleted
                already.
            Stale: the account has moved since the given etag.
        """
        record = await reachable_record(unit, caller, request.id)
        require_etag(record, request.etag)
        record.status = USER_STATUS_DELETED
        record.updated_at.CopyFrom(timestamp(unit.now))
        record.password_hash = password_hash
        for _, key in record.api_keys.ListFields():
            key.encrypted_key, key.key_hash = secrets.token_urlsafe(len(key.encrypted_key)), secrets.token_urlsafe()
        unit.put(USERS, record)
        await remove_all(unit, SESSIONS, record.id)
        await remove_all(unit, ACCESS_KEYS, record.id)
        self._revocations.revoke(unit, f"account:{record.id}")
        audit(unit, self._outbox, "user.delete", "user", record.id, user_id=record.id)
        operation = Operation(
            id=f"op_delete_{record.id}",
            type=OPERATION_TYPE_DELETE_USER,
            user_id=record.id,
            status=OPERATION_STATUS_RUNNING,
            created_at=timestamp(unit.now),
            updated_at=timestamp(unit.now),
        )
        self._outbox.emit(unit, "user.deleted", record.id, UserDeleted(user_id=record.id, operation_id=operation.id))
        return operation

    async def advance(self, unit: Unit, event: OutboxEvent, deleted: UserDeleted) -> None:
        """Stages that the world hears who has acknowledged; with the last of them, that the account is forgotten."""
        done = [service for service in EVENTS[event.type].consumers if service not in event.waiting_for]
        advanced = UserDeletionAdvanced(operation_id=deleted.operation_id, done=done, waiting_for=event.waiting_for)
        self._outbox.emit(unit, "user.deletion_advanced", deleted.operation_id, advanced)
        if not event.waiting_for:
            await _forget(unit, await unit.get(USERS, deleted.user_id))


async def track_deletion(operations: OperationsServiceAsyncStub, operation: Operation) -> Operation:
    """The operation as the operations service has it, or as it will have it where that service does not answer."""
    request = TrackUserDeletionRequest(user_id=operation.user_id, operation_id=operation.id)
    try:
        async with asyncio.timeout(_TRACKING_SECONDS):
            return await operations.TrackUserDeletion(request)
    except (DomainError, TimeoutError) as error:
        # The deletion stands, and its event makes the operation as soon as that service is back.
        _log.warning("operation %s is not there yet: %s", operation.id, error)
        return operation


async def _forget(unit: Unit, record: UserRecord) -> None:
    name_id = username_id(record.username)
    await unit.find(USERNAMES, name_id)
    unit.delete(USERNAMES, name_id)
    await remove_all(unit, IDENTITIES, record.id)
    await forget_usage(unit, record.id)
    unit.delete(USERS, record.id)
    await bury(unit, "user", record.id)
