"""Keys: those by which programs act for the caller, and the caller's own for the makers of models."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from llmchat.users.v1 import users_service_pb2 as users
from llmchat.users.v1.access_key_pb2 import AccessKey
from llmchat.users.v1.user_pb2 import KeyProvider, ProviderKeyStatus

from libs.client.calls import new_request_id
from libs.client.connection import Connection
from libs.common.clock import timestamp


class Keys(Connection):
    """The caller's keys."""

    async def create_access_key(
        self, name: str, permissions: Sequence[str], *, expires_at: int | None = None
    ) -> users.CreateAccessKeyResponse:
        """Makes a key that may do what `permissions` say: `thread.read`, `thread.*`, or `*`.

        `expires_at` is in milliseconds of the epoch; None: it does not expire. The secret is in this answer and is
        never shown again: `Client(token=secret)` acts by it.
        """
        request = users.CreateAccessKeyRequest(
            name=name,
            permissions=permissions,
            expires_at=None if expires_at is None else timestamp(expires_at),
            request_id=new_request_id(),
        )
        return await self._calls.unary(self._users.CreateAccessKey, request)

    async def access_keys(self, *, page_size: int = 0) -> AsyncIterator[AccessKey]:
        """The caller's access keys, newest first."""
        request = users.ListAccessKeysRequest(page_size=page_size)
        async for page in self._calls.pages(self._users.ListAccessKeys, request):
            for key in page.access_keys:
                yield key

    async def revoke_access_key(self, id: str) -> None:
        """Ends an access key at once."""
        request = users.RevokeAccessKeyRequest(id=id, request_id=new_request_id())
        await self._calls.unary(self._users.RevokeAccessKey, request)

    async def set_provider_key(self, provider: KeyProvider, api_key: str, *, check: bool = False) -> ProviderKeyStatus:
        """Stores the caller's own key for a provider, encrypted, in place of one that is there.

        `check` has the provider asked first whether it takes the key; one that it refuses is not stored.
        """
        request = users.SetProviderKeyRequest(
            provider=provider, api_key=api_key, check=check, request_id=new_request_id()
        )
        return await self._calls.unary(self._users.SetProviderKey, request)

    async def delete_provider_key(self, provider: KeyProvider) -> None:
        """Removes the caller's key for a provider; NotFound where there is none."""
        request = users.DeleteProviderKeyRequest(provider=provider, request_id=new_request_id())
        await self._calls.unary(self._users.DeleteProviderKey, request)
