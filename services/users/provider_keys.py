"""People's own keys for the makers of models: sealed where they are stored, opened for the messages service alone."""

from __future__ import annotations

import hmac
import secrets

from google.protobuf.empty_pb2 import Empty
from llmchat.users.stored.v1.user_pb2 import ProviderKey, UserRecord
from llmchat.users.v1.user_pb2 import USER_STATUS_ACTIVE, KeyProvider, ProviderKeyStatus
from llmchat.users.v1.users_service_pb2 import (
    DeleteProviderKeyRequest,
    ReencryptProviderKeysRequest,
    ReencryptProviderKeysResponse,
    ReportProviderKeyRequest,
    ResolveProviderKeyRequest,
    ResolveProviderKeyResponse,
    SetProviderKeyRequest,
)

from libs.common.audit import audit
from libs.common.clock import milliseconds, timestamp
from libs.common.context import Call
from libs.common.crypto.envelopes import Unreadable
from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.errors import NotFound, Precondition
from libs.common.events.outbox import Outbox
from services.users.collections import USERS
from services.users.key_rotation import KeyRotation
from services.users.key_vault import KeyVault
from services.users.provider_key_check import ProviderKeyCheck
from services.users.provider_key_formats import require_format
from services.users.stored_keys import NAMES, remove_overwritten, status_of, stored_key
from services.users.user import ME, own_record

_KIND = "provider_key"
_UNREADABLE = "PROVIDER_KEY_UNREADABLE"
# Milliseconds. Answers at the same time would otherwise contend for the account, and each move its etag.
_LAST_USED_WITHIN = 60_000


class ProviderKeys:
    """Stores, opens, reports and re-encrypts them."""

    def __init__(
        self, documents: Documents, outbox: Outbox, vault: KeyVault, check: ProviderKeyCheck, rotation: KeyRotation
    ) -> None:
        self._documents = documents
        self._outbox = outbox
        self._vault = vault
        self._check = check
        self._rotation = rotation

    async def set(self, call: Call, request: SetProviderKeyRequest) -> ProviderKeyStatus:
        """Stores the caller's key for a provider, in the place of one that is there.

        Raises:
            Invalid: it does not look like a key of the provider's; or `check` is set and the provider refuses it
                (reason PROVIDER_KEY_REFUSED).
            Unavailable: the provider that was to be asked does not answer.
        """

        # All that may be refused is asked here: a repeat gets the first answer, whatever the provider says by now.
        async def store(unit: Unit) -> ProviderKeyStatus:
            require_format(request.provider, request.api_key)
            if request.check:
                await self._check.require_accepted(request.provider, request.api_key)
            record = await own_record(unit, call.caller, ME)
            name = NAMES[request.provider]
            key = ProviderKey(is_valid=True, set_at=timestamp(unit.now))
            self._vault.seal(record.id, name, request.api_key, key)
            getattr(record.api_keys, name).CopyFrom(key)
            record.updated_at.CopyFrom(timestamp(unit.now))
            unit.put(USERS, record)
            self._audit(unit, record, request.provider, "provider_key.update")
            return status_of(request.provider, key)

        return await self._documents.once(call, request, ProviderKeyStatus, store)

    async def delete(self, call: Call, request: DeleteProviderKeyRequest) -> Empty:
        """Overwrites the caller's key for a provider by noise, then removes that.

        Should the process die in between, the noise counts as none, and the next look of the rotation removes it.

        Raises:
            NotFound: there is none.
        """

        async def overwrite(unit: Unit) -> Empty:
            record = await own_record(unit, call.caller, ME)
            key = _require_key(record, request.provider)
            key.CopyFrom(ProviderKey(encrypted_key=_noise(key.encrypted_key), key_hash=_noise(key.key_hash)))
            record.updated_at.CopyFrom(timestamp(unit.now))
            unit.put(USERS, record)
            self._audit(unit, record, request.provider, "provider_key.delete")
            return Empty()

        async def remove(unit: Unit) -> None:
            record = await unit.find(USERS, call.caller.user_id)
            if record is not None and remove_overwritten(record):
                unit.put(USERS, record)

        answer = await self._documents.once(call, request, Empty, overwrite)
        await self._documents.unit(remove)
        return answer

    async def resolve(self, call: Call, request: ResolveProviderKeyRequest) -> ResolveProviderKeyResponse:
        """The key of the person that the service acts for, and its hash. `last_used` is exact to a minute.

        Raises:
            NotFound: they have none that is valid, or their account is not active.
            Precondition: what is stored does not open (reason PROVIDER_KEY_UNREADABLE).
        """

        async def use(unit: Unit) -> ResolveProviderKeyResponse | None:
            record = await self._active_record(unit, call, request.provider)
            key = _require_key(record, request.provider)
            if not key.is_valid:
                raise _not_found(request.provider)
            try:
                api_key = self._vault.open(record.id, NAMES[request.provider], key)
            except Unreadable:
                # A commit of its own; refused after it.
                self._audit(unit, record, request.provider, "provider_key.use", failure=_UNREADABLE)
                return None
            if unit.now - milliseconds(key.last_used) >= _LAST_USED_WITHIN:
                key.last_used.CopyFrom(timestamp(unit.now))
                unit.put(USERS, record)
            self._audit(unit, record, request.provider, "provider_key.use")
            return ResolveProviderKeyResponse(api_key=api_key, key_hash=key.key_hash)

        answer = await self._documents.unit(use)
        if answer is None:
            name = NAMES[request.provider]
            text = f"the key that is stored for {name} cannot be read: store it again with SetProviderKey"
            raise Precondition(text, reason=_UNREADABLE)
        return answer

    async def report(self, call: Call, request: ReportProviderKeyRequest) -> Empty:
        """Marks the key that was refused as not valid; nothing where another one has replaced it.

        Raises:
            NotFound: the person that the service acts for has none, or their account is not active.
        """

        async def invalidate(unit: Unit) -> None:
            record = await self._active_record(unit, call, request.provider)
            key = _require_key(record, request.provider)
            is_the_same = hmac.compare_digest(key.key_hash.encode(), request.key_hash.encode())
            if is_the_same and key.is_valid:
                key.is_valid = False
                unit.put(USERS, record)
                self._audit(unit, record, request.provider, "provider_key.invalidate")

        await self._documents.unit(invalidate)
        return Empty()

    async def reencrypt(self, call: Call, request: ReencryptProviderKeysRequest) -> ReencryptProviderKeysResponse:
        """Looks through all accounts at once; see `KeyRotation.look`."""

        async def look(unit: Unit) -> ReencryptProviderKeysResponse:
            return await self._rotation.look()

        return await self._documents.once(call, request, ReencryptProviderKeysResponse, look)

    async def _active_record(self, unit: Unit, call: Call, provider: KeyProvider) -> UserRecord:
        record = await unit.find(USERS, call.caller.user_id)
        if record is None or record.status != USER_STATUS_ACTIVE:
            raise _not_found(provider)
        return record

    def _audit(self, unit: Unit, record: UserRecord, provider: KeyProvider, action: str, failure: str = "") -> None:
        audit(unit, self._outbox, action, _KIND, NAMES[provider], user_id=record.id, failure=failure)


def _require_key(record: UserRecord, provider: KeyProvider) -> ProviderKey:
    key = stored_key(record, provider)
    if key is None:
        raise _not_found(provider)
    return key


def _not_found(provider: KeyProvider) -> NotFound:
    return NotFound(_KIND, NAMES[provider])


def _noise(overwritten: str) -> str:
    return secrets.token_urlsafe(len(overwritten))[: len(overwritten)]
