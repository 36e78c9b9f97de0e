"""What administrators do with accounts."""

from __future__ import annotations

from llmchat.users.v1.user_pb2 import User
from llmchat.users.v1.users_service_pb2 import (
    ListUsersRequest,
    ListUsersResponse,
    ReactivateUserRequest,
    SetUserRoleRequest,
    SuspendUserRequest,
)

from libs.common.context import Call


class Administration:
    """Lists, suspends, reactivates, and gives roles."""

    async def list(self, call: Call, request: ListUsersRequest) -> ListUsersResponse:
        raise NotImplementedError

    async def suspend(self, call: Call, request: SuspendUserRequest) -> User:
        raise NotImplementedError

    async def reactivate(self, call: Call, request: ReactivateUserRequest) -> User:
        raise NotImplementedError

    async def set_role(self, call: Call, request: SetUserRoleRequest) -> User:
        raise NotImplementedError
