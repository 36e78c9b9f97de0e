"""A person's provider keys as their account holds them, and what may be shown of them."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from llmchat.users.stored.v1.user_pb2 import ProviderKey, UserRecord
from llmchat.users.v1.user_pb2 import (
    KEY_PROVIDER_CLAUDE,
    KEY_PROVIDER_GOOGLE,
    KEY_PROVIDER_OPENAI,
    KeyProvider,
    ProviderKeyStatus,
)

# By provider, the field of `UserRecord.api_keys`: the word for the provider everywhere.
NAMES = MappingProxyType({KEY_PROVIDER_CLAUDE: "claude", KEY_PROVIDER_OPENAI: "openai", KEY_PROVIDER_GOOGLE: "google"})


def stored_key(record: UserRecord, provider: KeyProvider) -> ProviderKey | None:
    """The person's key for the provider, a part of `record`; None where there is none.

    One that has been overwritten and waits for its removal has no `key_id`, and counts as none.
    """
    key: ProviderKey = getattr(record.api_keys, NAMES[provider])
    return key if key.key_id else None


def stored_keys(record: UserRecord) -> Iterator[tuple[KeyProvider, ProviderKey]]:
    """All of a person's keys, those that count as none left out."""
    for provider in NAMES:
        key = stored_key(record, provider)
        if key is not None:
            yield provider, key


def remove_overwritten(record: UserRecord) -> bool:
    """Takes out of `record` what has been overwritten; whether there was anything."""
    names = [field.name for field, key in record.api_keys.ListFields() if not key.key_id]
    for name in names:
        record.api_keys.ClearField(name)
    return bool(names)


def status_of(provider: KeyProvider, key: ProviderKey) -> ProviderKeyStatus:
    """What its owner is shown of a key."""
    status = ProviderKeyStatus(provider=provider, set_at=key.set_at, is_valid=key.is_valid)
    if key.HasField("last_used"):
        status.last_used_at.CopyFrom(key.last_used)
    return status
