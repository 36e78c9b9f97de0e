"""The engines of one test process: each is started when a test first asks for it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.engines.all import SERVED
from tests.engines.engine import Served


class Engines:
    """Starts engines, once each, until the stack is closed."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self._running: dict[str, Served] = {}

    def __call__(self, name: str) -> Served:
        """The running engine of that name; where there is none to run, the test is skipped, and the summary says so."""
        if name not in self._running:
            engine = SERVED[name]
            if reason := engine.not_run():
                pytest.skip(f"{name}: {reason}")
            given = engine.served_already()
            self._running[name] = given or self._stack.enter_context(engine.started(self._own_folder(name)))
        return self._running[name]

    @property
    def running(self) -> dict[str, Served]:
        """Those that have been asked for so far."""
        return dict(self._running)

    def _own_folder(self, name: str) -> Path:
        folder = self._folder / name.replace(" ", "-")
        folder.mkdir()
        return folder


def told() -> list[str]:
    """A line for each engine that no test ran against."""
    reasons = {name: engine.not_run() for name, engine in SERVED.items()}
    return [f"not run against {name}: {reason}" for name, reason in reasons.items() if reason]
