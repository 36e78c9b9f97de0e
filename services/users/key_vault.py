"""Seals people's provider keys under the installation's master keys, each in the place where it belongs."""

from __future__ import annotations

import base64
import binascii
import hmac

from llmchat.users.stored.v1.user_pb2 import ProviderKey

from libs.common.crypto.envelopes import Unreadable, open_envelope, seal
from libs.common.crypto.keys import KeyRing, SecretKey


class KeyVault:
    """Every person has a key of their own, derived from a master key: the current one seals, all of the ring open."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    @property
    def current_id(self) -> str:
        """The id of the master key that seals."""
        return self._ring.current.id

    def seal(self, user_id: str, provider: str, api_key: str, into: ProviderKey) -> None:
        """Puts `api_key` into a stored key: its envelope, the id of the master key, and its hash."""
        master = self._ring.current
        envelope = seal(_key_of(master, user_id), api_key.encode(), _place(user_id, provider, master.id))
        into.encrypted_key = base64.b64encode(envelope).decode("ascii")
        into.key_id = master.id
        into.key_hash = hmac.digest(master.derive("provider_keys.hash"), api_key.encode(), "sha256").hex()

    def open(self, user_id: str, provider: str, stored: ProviderKey) -> str:
        """The key that was sealed for this person and provider.

        Raises:
            Unreadable: the envelope was changed or moved, or its master key is not on the ring.
        """
        master = self._ring.find(stored.key_id)
        if master is None:
            raise Unreadable
        place = _place(user_id, provider, master.id)
        return open_envelope(_key_of(master, user_id), _envelope(stored.encrypted_key), place).decode()


def master_ring(encoded: str | None, derived: KeyRing) -> KeyRing:
    """The master keys of LLMCHAT_MASTER_KEYS, or the `derived` ones where it is None.

    What the derived ones sealed before the setting was made is still read, and sealed anew: setting it is a rotation.

    Raises:
        Invalid: the setting is malformed; the text names it.
    """
    if encoded is None:
        return derived
    return KeyRing((*KeyRing.parse(encoded, "LLMCHAT_MASTER_KEYS").keys, *derived.keys))


def _key_of(master: SecretKey, user_id: str) -> bytes:
    return master.derive(f"provider_keys.{user_id}")


def _place(user_id: str, provider: str, key_id: str) -> bytes:
    # No id holds a NUL (libs/common/store/port.py).
    return "\0".join(("users", user_id, provider, key_id)).encode()


def _envelope(encoded: str) -> bytes:
    try:
        envelope = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable from None
    # Base64 has several spellings of the same bytes; only the one that was stored is taken.
    if base64.b64encode(envelope).decode("ascii") != encoded:
        raise Unreadable
    return envelope
