"""The rows of a run: printed as they are measured, and once more at the end as a Markdown table."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison. `ratio` is None where there is nothing to divide; `aim` is the goal's limit, if it has one."""

    what: str
    measured: str
    baseline: str
    ratio: float | None = None
    aim: str = ""


class Report:
    """Collects and prints."""

    def __init__(self, machine: str) -> None:
        self._machine = machine
        self._rows: list[Row] = []
        print(machine)

    def begin(self, title: str) -> None:
        """A heading over the rows that follow."""
        print(f"\n{title}", flush=True)

    def add(self, row: Row) -> None:
        """Prints the row and keeps it for the table."""
        self._rows.append(row)
        ratio = "" if row.ratio is None else f"   = {shown(row.ratio)}"
        aim = f"   (goal {row.aim})" if row.aim else ""
        print(f"  {row.what}: {row.measured}   against {row.baseline}{ratio}{aim}", flush=True)

    def not_run(self, what: str, reason: str) -> None:
        """Says what could not be measured here, and why."""
        self._rows.append(Row(what, "not run", reason))
        print(f"  {what}: not run: {reason}", flush=True)

    def print_table(self) -> None:
        """All rows, fit for the README."""
        print(f"\nMeasured on: {self._machine}.\n")
        print("| what | measured | baseline | ratio | goal |\n|---|---|---|---|---|")
        for row in self._rows:
            ratio = "" if row.ratio is None else shown(row.ratio)
            print(f"| {row.what} | {row.measured} | {row.baseline} | {ratio} | {row.aim} |")


def shown(value: float) -> str:
    """A number with about three digits."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(values: list[float]) -> str:
    """The median, and the range around it."""
    return f"{shown(median(values))} ({shown(min(values))} to {shown(max(values))})"
