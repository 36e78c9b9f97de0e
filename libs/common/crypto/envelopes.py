"""Envelopes: bytes sealed by AES-256-GCM under a fresh nonce, bound to the place where they belong."""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class Unreadable(Exception):
    """The envelope was changed, moved to another place, or sealed under another key."""


def seal(key: bytes, plaintext: bytes, place: bytes) -> bytes:
    """A 96-bit nonce, the ciphertext and its tag; it opens under the same 32-byte key at the same place alone.

    Nonces are random, so a key may seal 2³² envelopes (NIST SP 800-38D, 8.3).
    """
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, place)


def open_envelope(key: bytes, envelope: bytes, place: bytes) -> bytes:
    """What was sealed.

    Raises:
        Unreadable: it was not sealed so: key, place or a single bit differ.
    """
    if len(envelope) < _NONCE_BYTES:
        raise Unreadable
    try:
        return AESGCM(key).decrypt(envelope[:_NONCE_BYTES], envelope[_NONCE_BYTES:], place)
    except InvalidTag:
        raise Unreadable from None
