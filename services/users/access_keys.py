"""Access keys: by which programs act for their owner."""

from __future__ import annotations

from google.protobuf.empty_pb2 import Empty
from llmchat.access.v1.access_service_pb2 import ResolveAccessKeyRequest, ResolveAccessKeyResponse
from llmchat.users.v1.users_service_pb2 import (
    CreateAccessKeyRequest,
    CreateAccessKeyResponse,
    ListAccessKeysRequest,
    ListAccessKeysResponse,
    RevokeAccessKeyRequest,
)

from libs.common.context import Call


class AccessKeys:
    """Makes, lists, resolves and revokes them."""

    async def create(self, call: Call, request: CreateAccessKeyRequest) -> CreateAccessKeyResponse:
        raise NotImplementedError

    async def list(self, call: Call, request: ListAccessKeysRequest) -> ListAccessKeysResponse:
        raise NotImplementedError

    async def revoke(self, call: Call, request: RevokeAccessKeyRequest) -> Empty:
        raise NotImplementedError

    async def resolve(self, request: ResolveAccessKeyRequest) -> ResolveAccessKeyResponse:
        raise NotImplementedError
