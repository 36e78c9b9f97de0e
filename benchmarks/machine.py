"""The machine that the figures were measured on, and what a process uses of it (Linux: read from /proc)."""

from __future__ import annotations

import os
import platform
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import grpc

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")


def describe_machine() -> str:
    """One line: processor, cores, versions, date and how busy the machine already was."""
    parts = (
        _processor(),
        f"{os.cpu_count()} cores",
        f"Python {platform.python_version()}",
        f"SQLite {sqlite3.sqlite_version}",
        f"grpcio {grpc.__version__}",
        f"{datetime.now(UTC):%Y-%m-%d}",
        f"load before the run {os.getloadavg()[0]:.1f}",
    )
    return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used since its start, and holds now.

    `cpu_seconds` is of all its threads. `handed` are the bytes it gave to write calls (sockets do not count), `written`
    those that it made the system write to storage, in whole pages. `resident` is the memory it occupies, in bytes.
    """

    cpu_seconds: float
    handed: int
    written: int
    resident: int


def usage(pid: int) -> Usage:
    """What the process `pid` uses.

    Raises:
        OSError: there is no such process, or no /proc.
    """
    process = _PROC / str(pid)
    after_name = (process / "stat").read_text().rpartition(")")[2].split()
    counts = dict(line.split(": ") for line in (process / "io").read_text().splitlines())
    pages = int((process / "statm").read_text().split()[1])
    return Usage(
        cpu_seconds=(int(after_name[11]) + int(after_name[12])) / _TICKS,
        handed=int(counts["wchar"]),
        written=int(counts["write_bytes"]),
        resident=pages * os.sysconf("SC_PAGE_SIZE"),
    )


def _processor() -> str:
    try:
        lines = (_PROC / "cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
