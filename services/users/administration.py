"""What administrators do with accounts."""

from __future__ import annotations

from collections.abc import Sequence

from llmchat.users.stored.v1.user_pb2 import UserRecord
from llmchat.users.v1.user_pb2 import USER_ROLE_ADMIN, USER_STATUS_ACTIVE, USER_STATUS_SUSPENDED, User
from llmchat.users.v1.users_service_pb2 import (
    ListUsersRequest,
    ListUsersResponse,
    ReactivateUserRequest,
    SetUserRoleRequest,
    SuspendUserRequest,
)

from libs.common.access.live_config import LiveConfig
from libs.common.audit import audit
from libs.common.clock import timestamp
from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.errors import Precondition
from libs.common.events.outbox import Outbox
from libs.common.store.port import Query
from services.users.belongings import remove_all
from services.users.collections import SESSIONS, USAGES, USERNAMES, USERS
from services.users.revocations import RevocationLog
from services.users.user import reachable_record, show, username_id, view

_PAGE = 20


class Administration:
    """Lists, suspends, reactivates, and gives roles."""

    def __init__(self, documents: Documents, outbox: Outbox, revocations: RevocationLog, config: LiveConfig) -> None:
        self._documents = documents
        self._outbox = outbox
        self._config = config
        self._revocations = revocations

    async def list(self, call: Call, request: ListUsersRequest) -> ListUsersResponse:
        """A page of all accounts, newest first, or the one that has a username, in whatever case.

        One that is being deleted is among them until all of it is gone.

        Raises:
            Invalid: the page token is not one that this list gave this caller.
        """
        size = request.page_size or _PAGE
        if request.username:
            return await self._named(request, size)
        newest = Query.where(USERS, order="created_at", descending=True, limit=size)
        page = await self._documents.page(newest, request.page_token, count=request.count_total)
        return await self._answer(page.items, page.next_token, page.total)

    async def _named(self, request: ListUsersRequest, size: int) -> ListUsersResponse:
        names = Query.by_id(USERNAMES, username_id(request.username), limit=size)
        page = await self._documents.page(names, request.page_token, count=request.count_total)
        stored = await self._documents.store.get_many(USERS, [name.user_id for name in page.items])
        return await self._answer([one.message for one in stored], page.next_token, page.total)

    async def suspend(self, call: Call, request: SuspendUserRequest) -> User:
        """Shuts a person out; of one who is out already the reason is replaced.

        Raises:
            NotFound: there is no such account, or it is deleted.
            Precondition: it is the caller's own (reason OWN_ACCOUNT).
        """

        async def suspend(unit: Unit) -> User:
            record = await reachable_record(unit, call.caller, request.id)
            _require_anothers(record, call)
            record.status = USER_STATUS_SUSPENDED
            record.suspension_reason = request.reason
            await self._end_sign_ins(unit, record)
            audit(unit, self._outbox, "user.suspend", "user", record.id, user_id=record.id)
            return await self._changed(unit, record)

        return await self._documents.once(call, request, User, suspend)

    async def reactivate(self, call: Call, request: ReactivateUserRequest) -> User:
        """Lets a person in again, by a new sign-in or their access keys; one who is not suspended stays as they are.

        Raises:
            NotFound: there is no such account, or it is deleted.
        """

        async def reactivate(unit: Unit) -> User:
            record = await reachable_record(unit, call.caller, request.id)
            if record.status != USER_STATUS_SUSPENDED:
                return await show(unit, self._config, record)
            record.status = USER_STATUS_ACTIVE
            record.suspension_reason = ""
            audit(unit, self._outbox, "user.reactivate", "user", record.id, user_id=record.id)
            return await self._changed(unit, record)

        return await self._documents.once(call, request, User, reactivate)

    async def set_role(self, call: Call, request: SetUserRoleRequest) -> User:
        """Gives a person a role; one who has it stays signed in.

        Raises:
            NotFound: there is no such account, or it is deleted.
            Precondition: the caller would cease to be an administrator (reason OWN_ACCOUNT).
        """
        is_admin = request.role == USER_ROLE_ADMIN

        async def set_role(unit: Unit) -> User:
            record = await reachable_record(unit, call.caller, request.id)
            if record.is_admin == is_admin:
                return await show(unit, self._config, record)
            _require_anothers(record, call)
            record.is_admin = is_admin
            # A token says which role it was issued for.
            await self._end_sign_ins(unit, record)
            audit(unit, self._outbox, "role.update", "user", record.id, user_id=record.id, changed_fields=["role"])
            return await self._changed(unit, record)

        return await self._documents.once(call, request, User, set_role)

    async def _answer(self, records: Sequence[UserRecord], next_token: str, total: int | None) -> ListUsersResponse:
        stored = await self._documents.store.get_many(USAGES, [record.id for record in records])
        used = {one.id: one.message.usage for one in stored}
        users = [view(self._config, record) for record in records]
        for user in users:
            if user.id in used:
                user.usage.CopyFrom(used[user.id])
        return ListUsersResponse(users=users, next_page_token=next_token, total_size=total)

    async def _changed(self, unit: Unit, record: UserRecord) -> User:
        record.updated_at.CopyFrom(timestamp(unit.now))
        return await show(unit, self._config, unit.put(USERS, record))

    async def _end_sign_ins(self, unit: Unit, record: UserRecord) -> None:
        await remove_all(unit, SESSIONS, record.id)
        self._revocations.revoke(unit, f"user:{record.id}")


def _require_anothers(record: UserRecord, call: Call) -> None:
    if record.id == call.caller.user_id:
        raise Precondition("an administrator does not do this to themselves", reason="OWN_ACCOUNT")
