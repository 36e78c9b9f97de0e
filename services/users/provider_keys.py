"""People's own keys for the makers of models: sealed where they are stored, opened for the messages service alone."""

from __future__ import annotations

from google.protobuf.empty_pb2 import Empty
from llmchat.users.v1.user_pb2 import ProviderKeyStatus
from llmchat.users.v1.users_service_pb2 import (
    DeleteProviderKeyRequest,
    ReencryptProviderKeysRequest,
    ReencryptProviderKeysResponse,
    ReportProviderKeyRequest,
    ResolveProviderKeyRequest,
    ResolveProviderKeyResponse,
    SetProviderKeyRequest,
)

from libs.common.context import Call


class ProviderKeys:
    """Stores, opens, reports and re-encrypts them."""

    async def set(self, call: Call, request: SetProviderKeyRequest) -> ProviderKeyStatus:
        raise NotImplementedError

    async def delete(self, call: Call, request: DeleteProviderKeyRequest) -> Empty:
        raise NotImplementedError

    async def resolve(self, call: Call, request: ResolveProviderKeyRequest) -> ResolveProviderKeyResponse:
        raise NotImplementedError

    async def report(self, call: Call, request: ReportProviderKeyRequest) -> Empty:
        raise NotImplementedError

    async def reencrypt(self, call: Call, request: ReencryptProviderKeysRequest) -> ReencryptProviderKeysResponse:
        raise NotImplementedError
