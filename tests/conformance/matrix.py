"""Runs the conformance suite and writes what came of it: `python -m tests.conformance.matrix [ARGUMENTS OF PYTEST]`.

The result is `docs/conformance.md`, for each engine and group of tests. Tests that are of no engine, or of one alone,
are not counted in it.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from collections import Counter, defaultdict
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tests.conformance.places import PROVIDERS
from tests.engines.all import SERVED
from tests.engines.running import Engines

SUITE = Path(__file__).parent
PAGE = SUITE.parents[1] / "docs" / "conformance.md"
_NAMES = {"passed": "", "failed": " failed", "skipped": " not run"}


@dataclass(eq=False, slots=True)
class Outcomes:
    """What came of the tests, as a plugin of pytest's: by group and provider how many had which outcome.

    `what` is what each engine was.
    """

    counts: dict[tuple[str, str], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    failed: set[str] = field(default_factory=set)
    what: dict[str, str] = field(default_factory=dict)
    _engines: Engines | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
        made = yield
        if isinstance(made, Engines):
            self._engines = made
        return made

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            self.add(report.nodeid, report.outcome)

    def pytest_sessionfinish(self) -> None:
        if self._engines is not None:
            self.what = {name: served.what for name, served in self._engines.running.items()}

    def add(self, test: str, outcome: str) -> None:
        """Counts a test by pytest's name of it: that of another provider or of none is left out."""
        provider = _provider_of(test)
        if provider:
            self.counts[_group_of(test), provider][outcome] += 1
            if outcome == "failed":
                self.failed.add(f"{provider}: {test.partition('[')[0].rpartition('/')[2]}")


def page(outcomes: Outcomes, day: date) -> str:
    """The Markdown, which depends on nothing else."""
    groups = sorted({group for group, _ in outcomes.counts})
    head = ["tests", *PROVIDERS]
    rows = [[group, *(_cell(outcomes.counts.get((group, name))) for name in PROVIDERS)] for group in groups]
    lines = [
        "# Conformance",
        "",
        f"Written by `python -m tests.conformance.matrix` from its run on {day}; not by hand.",
        "",
        "Every engine is to pass every test of a store in `tests/conformance/`. A number is that of the tests that"
        " passed; what failed or was not run is said. A journaled store is the engine's with the journal around it.",
        "",
        *_table(head, rows),
        "",
        "Ran against:",
        "",
        *(f"- {name}: {_what(outcomes, name)}" for name in PROVIDERS if "journaled" not in name),
    ]
    if outcomes.failed:
        lines += ["", "Failed:", "", *(f"- {test}" for test in sorted(outcomes.failed))]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Runs the suite; ends as pytest does."""
    outcomes = Outcomes()
    code = pytest.main([str(SUITE), *sys.argv[1:]], plugins=[outcomes])
    PAGE.write_text(page(outcomes, datetime.now(UTC).date()))
    return int(code)


def _provider_of(test: str) -> str:
    """The longest name that is a parameter of the test, or a part of one; empty where none is."""
    _, _, parameters = test.partition("[")
    among = f"-{parameters.removesuffix(']')}-"
    return max((name for name in PROVIDERS if f"-{name}-" in among), key=len, default="")


def _group_of(test: str) -> str:
    file = re.search(r"test_(\w+)\.py", test)
    return file[1].replace("_", " ") if file else test


def _cell(counts: Counter[str] | None) -> str:
    if not counts:
        return ""
    return ", ".join(f"{counts[outcome]}{name}" for outcome, name in _NAMES.items() if counts[outcome])


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _what(outcomes: Outcomes, name: str) -> str:
    match name:
        case "memory":
            return "the memory of the test process"
        case "sqlite":
            return f"SQLite {sqlite3.sqlite_version} in files of this machine"
    return outcomes.what.get(name) or f"not run: {SERVED[name].not_run() or 'no test asked for it'}"


if __name__ == "__main__":
    sys.exit(main())
