"""What goes on while a process serves: it begins again after failures, and says of each what it was."""

from __future__ import annotations

import asyncio
import logging

import pytest

from libs.common.background import Background
from libs.common.errors import Unavailable


class Work:
    """Fails once as it is told, then goes on until it is cancelled."""

    def __init__(self, failure: Exception) -> None:
        self._failures = [failure]
        self.goes_on = asyncio.Event()
        self.has_ended = False

    async def run(self) -> None:
        if self._failures:
            raise self._failures.pop()
        self.goes_on.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.has_ended = True


@pytest.mark.parametrize(
    ("failure", "text", "is_traced"),
    [
        pytest.param(Unavailable("the engine is away"), "begins again: the engine is away", False, id="an engine"),
        pytest.param(
            ExceptionGroup("tasks", [ExceptionGroup("more", [Unavailable("the engine is away")])]),
            "begins again: the engine is away",
            False,
            id="an engine that tasks wait for",
        ),
        pytest.param(KeyError("a bug"), "failed and begins again", True, id="a bug"),
    ],
)
async def test_what_fails_is_told_and_begins_again_until_it_is_stopped(
    failure: Exception, text: str, is_traced: bool, caplog: pytest.LogCaptureFixture
) -> None:
    work, background = Work(failure), Background()
    background.add(work.run)
    with caplog.at_level(logging.WARNING):
        background.start()
        await work.goes_on.wait()
    await background.stop()
    assert work.has_ended
    (record,) = caplog.records
    assert text in record.getMessage()
    assert bool(record.exc_info) is is_traced
