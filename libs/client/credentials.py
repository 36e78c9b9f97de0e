"""Who is signed in where: a file that only its owner can read. It holds tokens, which expire, and never a password."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

from libs.client.session import Session
from libs.common.errors import Invalid, Unavailable

# Seconds: that others may need to exchange a token, and between looks whether they have.
_LONGEST_TURN = 20.0
_LOOK = 0.02


def credentials_path() -> Path:
    """`$XDG_CONFIG_HOME/llmchat/credentials.json`, by default under `~/.config`."""
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(config) / "llmchat" / "credentials.json"


class Credentials:
    """The file at `path`: address to session."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, address: str) -> Session | None:
        """Who is signed in at `address`.

        Raises:
            Invalid: the file is not one that `put` wrote.
        """
        return self._read().get(address)

    def put(self, address: str, session: Session) -> None:
        """Remembers who is signed in at `address`."""
        self._write({**self._read(), address: session})

    def remove(self, address: str) -> None:
        """Forgets who is signed in at `address`."""
        self._write({at: session for at, session in self._read().items() if at != address})

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Keeps others that take turns, in whichever process, from the file while the context lasts.

        Raises:
            Unavailable: another one's turn does not end.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        until = time.monotonic() + _LONGEST_TURN
        descriptor = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        # The kernel ends the turn of a process that dies.
        with os.fdopen(descriptor) as lock:
            while not _is_locked(lock.fileno()):
                if time.monotonic() > until:
                    raise Unavailable("another llmchat is refreshing the sign-in and does not end: is it stopped?")
                await asyncio.sleep(_LOOK)
            yield

    def _write(self, entries: dict[str, Session]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        written = self._path.with_suffix(f".{os.getpid()}")
        with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({at: asdict(entry) for at, entry in entries.items()}, file, indent=2)
        written.replace(self._path)

    def _read(self) -> dict[str, Session]:
        try:
            entries = json.loads(self._path.read_text())
            return {address: Session(**entry) for address, entry in entries.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, AttributeError):
            raise Invalid(f"{self._path} is not a credentials file: remove it and sign in again") from None


class KeptSession:
    """The session at one address, as the processes of one person share it: what a `Client` is given."""

    def __init__(self, credentials: Credentials, address: str) -> None:
        self._credentials = credentials
        self._address = address

    def get(self) -> Session | None:
        """The session; None where nobody is signed in."""
        return self._credentials.get(self._address)

    def put(self, session: Session) -> None:
        """Remembers it; during `shared`."""
        self._credentials.put(self._address, session)

    async def forget(self, username: str) -> None:
        """Forgets the session, unless it is another person's by now."""
        async with self.shared() as kept:
            if kept is not None and kept.username == username:
                self._credentials.remove(self._address)

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[Session | None]:
        """The session, for this process alone while the context lasts.

        Raises:
            Unavailable: another process does not let go of it.
        """
        async with self._credentials.turn():
            yield self.get()


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
