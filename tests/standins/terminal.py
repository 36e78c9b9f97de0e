"""A stand-in for a person at a terminal: sees what a program shows, types what the program then takes."""

from __future__ import annotations

import codecs
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

CTRL_C = "\x03"
CTRL_D = "\x04"
# The terminal must be the program's own for Ctrl-C to reach it: the first one that a new session opens is.
_TAKE_TERMINAL = "import os, sys; os.close(os.open(os.ttyname(0), os.O_RDWR)); os.execvp(sys.argv[1], sys.argv[1:])"
_STYLES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A program on a terminal of its own, ended when the context is left."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self._master, slave = pty.openpty()
        self._program = subprocess.Popen(
            [sys.executable, "-c", _TAKE_TERMINAL, *command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=folder,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", **environment},
            start_new_session=True,
        )
        os.close(slave)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._unseen = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._program.poll() is None:
            self.end()
            self.leave()
        os.close(self._master)

    def type(self, text: str) -> None:
        """Types `text`; a line needs its own line end."""
        os.write(self._master, text.encode())

    def see(self, pattern: str, *, within: float = 30) -> re.Match[str]:
        """Reads on until `pattern` is shown; what was seen before is not seen again."""
        until = time.monotonic() + within
        while not (found := re.search(pattern, self._unseen)):
            if not self._read(until - time.monotonic()):
                raise AssertionError(f"{pattern!r} was not shown; this was: {self._unseen!r}")
        self._unseen = self._unseen[found.end() :]
        return found

    def insist(self, text: str, pattern: str, *, within: float = 30) -> None:
        """Types `text`, and again every second until `pattern` is shown, as a person does.

        For Ctrl-C at a prompt: readline does not notice a signal that comes between the drawing of the prompt and its
        waiting for a key, until there is a key.
        """
        until = time.monotonic() + within
        while True:
            self.type(text)
            try:
                self.see(pattern, within=1)
            except AssertionError:
                if time.monotonic() > until:
                    raise
            else:
                return

    def end(self) -> None:
        """Asks the program to end, as a process manager would."""
        self._program.send_signal(signal.SIGTERM)

    def leave(self, *, within: float = 30) -> int:
        """Waits for the program to end; gives its exit code."""
        self._read_to_end()
        return self._program.wait(within)

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0, seconds))
        if not ready:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:
            # What Linux answers once the program has closed its side.
            return False
        # Characters, styles and line ends may come in two pieces.
        self._unseen = _STYLES.sub("", self._unseen + self._decoder.decode(data)).replace("\r\n", "\n")
        return bool(data)

    def _read_to_end(self) -> None:
        while self._read(30):
            pass
