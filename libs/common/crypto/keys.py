"""The secrets of an installation, and the keys derived from them, one per purpose."""

from __future__ import annotations

import base64
import binascii
import hashlib
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
    def parse(cls, encoded: str, named: str = "the secret key") -> SecretKey:
        """Reads the base64 form that settings and key files hold; `named` is what an error calls it.

        Raises:
            Invalid: it is not base64 of exactly 32 bytes.
        """
        try:
            secret = base64.b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            secret = b""
        if len(secret) != KEY_BYTES:
            raise errors.Invalid(f"{named} must be base64 of {KEY_BYTES} bytes", reason="INVALID_SECRET_KEY")
        return cls(secret)

    @classmethod
    def generate(cls) -> SecretKey:
        """A new one."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @property
    def encoded(self) -> str:
        """The form that `parse` reads."""
        return base64.b64encode(self.secret).decode("ascii")

    @property
    def id(self) -> str:
        """Names the key without telling anything of it: 16 hex digits."""
        return hashlib.sha256(b"kid:" + self.secret).hexdigest()[:16]

    def derive(self, purpose: str) -> bytes:
        """32 bytes by HKDF-SHA256 (RFC 5869), independent of those for every other purpose."""
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose.encode()).derive(self.secret)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Secret keys, the current one first: it signs and encrypts; what any of them signed or encrypted is read.

    A rotation without a gap takes three restarts of every process: the new key is added behind the current one
    (`added`), then put before it (`promoted`), and the old one is removed (`without`) once nothing that matters is left
    under it. Where one process is all there is, the first restart is not needed.
    """

    keys: tuple[SecretKey, ...]

    @classmethod
    def parse(cls, encoded: str, named: str = "the secret key") -> KeyRing:
        """Reads keys in base64, separated by commas or line ends, the current one first.

        `named` is what an error calls them: the setting that they come from, or the file.

        Raises:
            Invalid: there is none, one is malformed, or one is there twice.
        """
        keys = tuple(SecretKey.parse(part, named) for part in encoded.replace("\n", ",").split(",") if part.strip())
        if not keys:
            # Says what is expected of one.
            SecretKey.parse("", named)
        if len(set(keys)) < len(keys):
            raise errors.Invalid(f"{named}: a key is there twice", reason="INVALID_SECRET_KEY")
        return cls(keys)

    @classmethod
    def generate(cls) -> KeyRing:
        """One new key, for an installation that keeps nothing."""
        return cls((SecretKey.generate(),))

    @classmethod
    def load_or_create(cls, path: Path) -> KeyRing:
        """Reads the key file, a key per line, or writes one with a new key that only its owner may read.

        Processes that start together end with the same key: the file appears whole or not at all, and once.

        Raises:
            Invalid: the file does not hold keys.
        """
        if not path.exists():
            _create(path, f"{SecretKey.generate().encoded}\n".encode("ascii"))
        return cls.parse(path.read_text(encoding="ascii", errors="replace"), str(path))

    @property
    def current(self) -> SecretKey:
        """The key that signs and encrypts."""
        return self.keys[0]

    def find(self, id: str) -> SecretKey | None:
        """The key of that id; None where it is not on the ring, or not any more."""
        return next((key for key in self.keys if key.id == id), None)

    def added(self) -> KeyRing:
        """With a new key behind the others: whoever has it reads what the new key will sign."""
        return KeyRing((*self.keys, SecretKey.generate()))

    def promoted(self) -> KeyRing:
        """With the last key as the current one.

        Raises:
            Precondition: there is no other.
        """
        if len(self.keys) == 1:
            raise errors.Precondition("there is one key alone: add one first", reason="NO_OTHER_KEY")
        return KeyRing((self.keys[-1], *self.keys[:-1]))

    def without(self, id: str) -> KeyRing:
        """Without the key of that id.

        Raises:
            NotFound: there is none.
            Precondition: it is the current one.
        """
        if self.find(id) is None:
            raise errors.NotFound("secret key", id)
        if id == self.current.id:
            raise errors.Precondition("it is the current key: promote another one first", reason="CURRENT_KEY")
        return KeyRing(tuple(key for key in self.keys if key.id != id))

    @property
    def encoded(self) -> str:
        """The form that a setting holds."""
        return ",".join(key.encoded for key in self.keys)

    def replace(self, path: Path) -> None:
        """Puts this ring into the place of the key file at `path`: whole or not at all, for the same owner alone."""
        before = path.stat()
        draft = _draft(path, "".join(f"{key.encoded}\n" for key in self.keys).encode("ascii"))
        try:
            if before.st_uid != os.geteuid():
                os.chown(draft, before.st_uid, before.st_gid)
            draft.replace(path)
        except OSError:
            draft.unlink()
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            # A key that has signed something must not be forgotten with the power.
            os.fsync(folder)
        finally:
            os.close(folder)

    def derive(self, purpose: str) -> tuple[bytes, ...]:
        """What each key derives for the purpose, the current one's first."""
        return tuple(key.derive(purpose) for key in self.keys)

    def derived(self, purpose: str) -> KeyRing:
        """A ring of keys of their own: who has it knows nothing of this one."""
        return KeyRing(tuple(SecretKey(secret) for secret in self.derive(purpose)))


def _create(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft(path, content)
    try:
        # A link, unlike a rename, leaves a key alone that another process has just put there.
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()


def _draft(path: Path, content: bytes) -> Path:
    """A file beside `path` that holds the content, for its owner alone."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return draft
