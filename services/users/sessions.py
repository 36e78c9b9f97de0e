"""Sessions: begun by a sign-in, carried on by refresh tokens, ended by their owner, by time, by a token used twice."""

from __future__ import annotations

from google.protobuf.empty_pb2 import Empty
from llmchat.users.v1.users_service_pb2 import (
    ListSessionsRequest,
    ListSessionsResponse,
    LogoutRequest,
    RevokeSessionRequest,
)

from libs.common.context import Call


class Sessions:
    """The sessions of people."""

    async def logout(self, call: Call, request: LogoutRequest) -> Empty:
        raise NotImplementedError

    async def list(self, call: Call, request: ListSessionsRequest) -> ListSessionsResponse:
        raise NotImplementedError

    async def revoke(self, call: Call, request: RevokeSessionRequest) -> Empty:
        raise NotImplementedError
