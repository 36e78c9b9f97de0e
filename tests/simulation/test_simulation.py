"""The protocols between replicas, played from many seeds; `LLMCHAT_SIMULATION_SEEDS` sets how many."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.simulation.mutations import MUTATIONS
from tests.simulation.play import play
from tests.simulation.scenarios import SCENARIOS

SEEDS = int(os.environ.get("LLMCHAT_SIMULATION_SEEDS", "300"))
_BATCH = 25
# Each of them shows within sixty.
_SEEDS_OF_A_MUTATION = 200
_REPEATED = range(5)

batches = [range(first, min(first + _BATCH, SEEDS)) for first in range(0, SEEDS, _BATCH)]


@pytest.mark.parametrize("seeds", batches, ids=lambda batch: f"{batch.start}-{batch.stop - 1}")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_promise_holds_in_every_weather(scenario: str, seeds: range) -> None:
    for seed in seeds:
        played = play(scenario, seed)
        assert not played.violations, f"{played}\n  replay: {played.replay}"


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_broken_protocol_is_found(mutation: str) -> None:
    scenario = MUTATIONS[mutation].scenario
    assert any(play(scenario, seed, mutation=mutation).violations for seed in range(_SEEDS_OF_A_MUTATION))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_seed_gives_the_same_run_in_every_process(scenario: str) -> None:
    here = [play(scenario, seed).digest for seed in (*_REPEATED, *_REPEATED)]
    assert here == [*digests_elsewhere(scenario, "1"), *digests_elsewhere(scenario, "2")]


def digests_elsewhere(scenario: str, hash_seed: str) -> list[str]:
    """What another process, in which sets and mappings of text have another order, says of the same seeds."""
    repeated = ("--from", str(_REPEATED.start), "--seeds", str(len(_REPEATED)), "--processes", "1")
    said = subprocess.run(
        (sys.executable, "-m", "tests.simulation", "--scenario", scenario, *repeated, "--digests"),
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [line.split()[-1] for line in said.stdout.splitlines() if line.startswith(f"{scenario} ")]
