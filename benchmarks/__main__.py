"""Measures, and prints ratios. Usage: `python -m benchmarks [--only rpc] [--seconds 2 | --quick]`."""

from __future__ import annotations

import argparse

from benchmarks import appending, cascades, delivery, engines, followers, growth, rpc, tokens, watchers
from benchmarks.machine import describe_machine
from benchmarks.options import Options
from benchmarks.report import Report
from libs.common.logs import configure_logging

_BENCHMARKS = {
    "rpc": rpc.measure,
    "tokens": tokens.measure,
    "growth": growth.measure,
    "followers": followers.measure,
    "watchers": watchers.measure,
    "delivery": delivery.measure,
    "cascades": cascades.measure,
    "appending": appending.measure,
    "engines": engines.measure,
}


def main() -> None:
    """Runs what the command line chooses."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=_BENCHMARKS, action="append", help="this one alone; may be repeated")
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="of load in each round of RPCs; the rest in proportion"
    )
    parser.add_argument("--quick", action="store_true", help="a fifth of the time: a look, nothing to quote")
    chosen = parser.parse_args()
    configure_logging("ERROR", "text")
    options = Options(0.2 if chosen.quick else chosen.seconds)
    report = Report(describe_machine())
    for name in chosen.only or _BENCHMARKS:
        _BENCHMARKS[name](report, options)
    report.print_table()


if __name__ == "__main__":
    main()
