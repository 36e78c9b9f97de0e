"""A process of the stand-in for Cloud Firestore."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def firestore_serving(*arguments: str) -> Iterator[str]:
    """The address of a stand-in of this process's own; it ends with its standard input, as we do."""
    command = (sys.executable, "-m", "tests.standins.firestore.server", *arguments)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, "the stand-in did not start"
        try:
            yield address
        finally:
            process.kill()
