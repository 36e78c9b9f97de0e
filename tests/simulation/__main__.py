"""Plays many seeds on all cores, or one of them for a reader: `python -m tests.simulation --help`."""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.simulation.mutations import MUTATIONS
from tests.simulation.play import Played, Run, play, play_run
from tests.simulation.scenarios import SCENARIOS


def main(arguments: Sequence[str]) -> int:
    """The number of runs in which something was violated, 1 at most."""
    options = _options(arguments)
    scenarios = [options.scenario] if options.scenario else list(SCENARIOS)
    if options.trace:
        return _show(scenarios[0], options.seed, options.mutation)
    first, number = (options.first, options.seeds) if options.seed is None else (options.seed, 1)
    runs = [Run(scenario, seed, options.mutation) for seed in range(first, first + number) for scenario in scenarios]
    began = time.monotonic()
    found = 0
    for played in _play_all(runs, options.processes):
        if options.digests:
            print(played.run.scenario, played.run.seed, played.digest)
        if played.violations:
            found += 1
            print(f"{played}\n  replay: {played.replay}", flush=True)
    seconds = time.monotonic() - began
    print(
        f"{number} seeds from {first}, {len(runs)} runs of {', '.join(scenarios)}: "
        f"{found} with violations, in {seconds:.0f} s, {len(runs) / seconds:.0f} a second"
    )
    return min(found, 1)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds are played")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first of them")
    parser.add_argument("--scenario", choices=list(SCENARIOS), help="one scenario only")
    parser.add_argument("--seed", type=int, help="one seed only")
    parser.add_argument("--trace", action="store_true", help="shows what happens, for one seed of one scenario")
    parser.add_argument("--digests", action="store_true", help="shows a digest of what happened in each run")
    parser.add_argument("--mutation", choices=list(MUTATIONS), default="", help="breaks the product in one place")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many play at once")
    options = parser.parse_args(arguments)
    if options.mutation:
        options.scenario = options.scenario or MUTATIONS[options.mutation].scenario
    if options.trace and (options.seed is None or options.scenario is None):
        parser.error("--trace needs --seed and --scenario")
    return options


def _show(scenario: str, seed: int, mutation: str) -> int:
    played = play(scenario, seed, mutation=mutation, show=print)
    print(played, played.digest)
    return len(played.violations)


def _play_all(runs: Sequence[Run], processes: int) -> Iterator[Played]:
    if processes == 1:
        yield from map(play_run, runs)
        return
    with ProcessPoolExecutor(processes, get_context("spawn"), initializer=gc.freeze) as pool:
        yield from pool.map(play_run, runs, chunksize=5)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
