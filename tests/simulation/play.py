"""Plays a scenario from a seed."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import NamedTuple

from tests.simulation.isolation import isolated
from tests.simulation.loop import TooLong
from tests.simulation.mutations import MUTATIONS
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.simulation import Simulation, Violation
from tests.simulation.trace import Trace


@dataclass(frozen=True, slots=True)
class Played:
    """How a run went: what was violated, a digest of all that happened, and how much of it there was."""

    run: Run
    violations: tuple[str, ...]
    digest: str
    steps: int
    seconds: float

    @property
    def replay(self) -> str:
        """The command that plays it again, line by line."""
        broken = f" --mutation {self.run.mutation}" if self.run.mutation else ""
        return f"python -m tests.simulation --scenario {self.run.scenario} --seed {self.run.seed} --trace{broken}"

    def __str__(self) -> str:
        found = "".join(f"\n  {violation}" for violation in self.violations) or " went well"
        return f"{self.run.scenario}, seed {self.run.seed}:{found}"


class Run(NamedTuple):
    """What is played; `mutation` names what is broken in the product, if anything."""

    scenario: str
    seed: int
    mutation: str = ""


def play_run(run: Run) -> Played:
    """As `play`, for pools."""
    return play(run.scenario, run.seed, mutation=run.mutation)


def play(scenario: str, seed: int, *, mutation: str = "", show: Callable[[str], None] | None = None) -> Played:
    """One run, the same each time. `show` gets every line of its trace."""
    simulation = Simulation(seed, Trace(show))
    simulation.trace.note("weather", simulation.weather)
    with isolated(simulation), MUTATIONS[mutation].applied() if mutation else nullcontext():
        try:
            simulation.loop.run(_judged(scenario, simulation))
        except TooLong as broken:
            simulation.violations.append(str(broken))
    return Played(
        Run(scenario, seed, mutation),
        tuple(simulation.violations),
        simulation.trace.digest(),
        simulation.loop.steps,
        simulation.loop.time(),
    )


async def _judged(scenario: str, simulation: Simulation) -> None:
    try:
        await SCENARIOS[scenario](simulation)
    except Violation as broken:
        simulation.violate(str(broken))
    except Exception as error:
        # Whatever a scenario does not expect.
        simulation.violate("".join(traceback.format_exception(error)))
