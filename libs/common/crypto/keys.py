"""The one secret of an installation, and the keys derived from it, one per purpose."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from libs.common import errors

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class SecretKey:
    """32 random bytes. They are never used as they are and never shown."""

    secret: bytes = field(repr=False)

    @classmethod
    def parse(cls, encoded: str) -> SecretKey:
        """Reads the base64 form that settings and key files hold.

        Raises:
            Invalid: it is not base64 of exactly 32 bytes.
        """
        try:
            secret = base64.b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            secret = b""
        if len(secret) != KEY_BYTES:
            raise errors.Invalid(f"the secret key must be base64 of {KEY_BYTES} bytes", reason="INVALID_SECRET_KEY")
        return cls(secret)

    @classmethod
    def generate(cls) -> SecretKey:
        """A new one, for an installation that keeps nothing."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def load_or_create(cls, path: Path) -> SecretKey:
        """Reads the key file, or writes a new one that only its owner may read.

        Processes that start together end with the same key: the file appears whole or not at all, and once.

        Raises:
            Invalid: the file does not hold a key.
        """
        if not path.exists():
            _create(path, base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
        return cls.parse(path.read_text(encoding="ascii", errors="replace"))

    def derive(self, purpose: str) -> bytes:
        """32 bytes by HKDF-SHA256 (RFC 5869), independent of those for every other purpose."""
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose.encode()).derive(self.secret)


def _create(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, leaves a key alone that another process has just put there.
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
