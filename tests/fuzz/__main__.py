"""A run of any length: `python -m tests.fuzz --requests 2000000 --seed 1`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.run import run


def main(arguments: Sequence[str]) -> int:
    """1 where anything was found, else 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000, help="how many are sent")
    parser.add_argument("--seed", type=int, default=0, help="what they are drawn from")
    parser.add_argument("--clients", type=int, default=2, help="how many processes send them")
    parser.add_argument("--skip", action="append", default=[], metavar="RPC", help="an RPC to leave out, by its name")
    parser.add_argument("--folder", type=Path, help="keeps the server's data and log there")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        skip = frozenset(options.skip)
        outcome = asyncio.run(run(folder, options.requests, options.seed, clients=options.clients, skip=skip))
    print("\n".join(outcome.table()))
    faults = outcome.faults()
    print("\n".join(faults))
    return min(len(faults), 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
