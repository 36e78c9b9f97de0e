"""Who is signed in where: a file that only its owner can read. It holds tokens, which expire, and never a password."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from libs.common.errors import Invalid


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person at one address."""

    username: str
    token: str


def credentials_path() -> Path:
    """`$XDG_CONFIG_HOME/llmchat/credentials.json`, by default under `~/.config`."""
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(config) / "llmchat" / "credentials.json"


class Credentials:
    """The file at `path`: address to person."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, address: str) -> SignedIn | None:
        """Who is signed in at `address`.

        Raises:
            Invalid: the file is not one that `put` wrote.
        """
        return self._read().get(address)

    def put(self, address: str, person: SignedIn) -> None:
        """Remembers who is signed in at `address`."""
        self._write({**self._read(), address: person})

    def remove(self, address: str) -> None:
        """Forgets who is signed in at `address`."""
        self._write({at: person for at, person in self._read().items() if at != address})

    def _write(self, entries: dict[str, SignedIn]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        written = self._path.with_suffix(f".{os.getpid()}")
        with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({at: asdict(entry) for at, entry in entries.items()}, file, indent=2)
        written.replace(self._path)

    def _read(self) -> dict[str, SignedIn]:
        try:
            entries = json.loads(self._path.read_text())
            return {address: SignedIn(**entry) for address, entry in entries.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, AttributeError):
            raise Invalid(f"{self._path} is not a credentials file: remove it and sign in again") from None
