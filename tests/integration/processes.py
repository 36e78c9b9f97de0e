"""What the operating system knows of a process."""

from __future__ import annotations

import os


def state_of(pid: int) -> str:
    """The letter by which `ps` knows it; empty for a process that is not there."""
    listed = os.popen(f"ps -o state= -p {pid}").read()  # noqa: S605 - a number of our own
    return listed.strip()[:1]


def is_running(pid: int) -> bool:
    """Whether there is such a process, other than one that has ended and only waits to be noticed."""
    return state_of(pid) not in ("", "Z")
