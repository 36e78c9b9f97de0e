"""The conformance matrix: what a run comes to on the page."""

from __future__ import annotations

from datetime import date

from tests.conformance.matrix import Outcomes, page

STORE = "tests/conformance/test_store_commits.py"


def test_tests_are_counted_by_group_and_engine() -> None:
    outcomes = Outcomes()
    outcomes.add(f"{STORE}::test_one[memory]", "passed")
    outcomes.add(f"{STORE}::test_one[sqlite]", "passed")
    outcomes.add(f"{STORE}::test_two[sqlite-7]", "failed")
    outcomes.add(f"{STORE}::test_two[sqlite journaled-7]", "skipped")
    told = page(outcomes, date(2026, 1, 2)).splitlines()
    assert "| tests | memory | memory journaled | sqlite | sqlite journaled |" in told[6]
    row = next(line for line in told if line.startswith("| store commits |"))
    assert row.startswith("| store commits | 1 |  | 1, 1 failed | 1 not run |")
    assert "- sqlite: test_store_commits.py::test_two" in told
    assert "2026-01-02" in told[2]


def test_what_is_of_no_engine_is_not_counted() -> None:
    outcomes = Outcomes()
    outcomes.add("tests/conformance/test_bus.py::test_one[redis]", "passed")
    outcomes.add(f"{STORE}::test_alone", "passed")
    assert not outcomes.counts


def test_an_engine_is_told_by_what_it_was() -> None:
    outcomes = Outcomes(what={"postgres": "PostgreSQL 15.18 of this machine"})
    assert "- postgres: PostgreSQL 15.18 of this machine" in page(outcomes, date(2026, 1, 2)).splitlines()
