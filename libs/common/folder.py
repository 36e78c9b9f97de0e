"""The data folder: held by one process alone, or shared by several that reach each other over a bus."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from libs.common.errors import Unavailable

_SHARING = "several processes share a folder when each has the same shared bus: LLMCHAT_BUS_URL=redis://…"


@contextmanager
def hold_folder(folder: Path, *, exclusive: bool) -> Iterator[None]:
    """Holds `folder`, which is made if need be; the kernel lets go when the process dies.

    Exclusive: no other process may hold it. Shared: others may, as long as they share it too. The folder is on a file
    system of this machine: network file systems do not lock reliably.

    Raises:
        Unavailable: another process holds it in a way that does not go with this one, or it cannot be made, written
            to or locked.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        opened = (folder / "process.lock").open("w")
    except OSError as error:
        raise Unavailable(f"the data folder {folder}: {error.strerror}", retry_after=None) from error
    with opened as lock:
        try:
            fcntl.flock(lock, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = "in use by another process" if exclusive else "held by a process that shares it with none"
            raise Unavailable(f"the data folder {folder} is {holder}; {_SHARING}", retry_after=None) from None
        except OSError as error:
            raise Unavailable(f"the data folder {folder}: {error.strerror}", retry_after=None) from error
        yield
