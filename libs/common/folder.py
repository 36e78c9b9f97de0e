"""The data folder: held by one process at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from libs.common.errors import Unavailable


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Keeps other processes out of `folder`, which is made if need be; the kernel lets go when the process dies.

    Raises:
        Unavailable: another process holds it, or it cannot be made or written to.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        opened = (folder / "process.lock").open("w")
    except OSError as error:
        raise Unavailable(f"the data folder {folder}: {error.strerror}", retry_after=None) from error
    with opened as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(f"the data folder {folder} is in use by another process", retry_after=None) from None
        yield
