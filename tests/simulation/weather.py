"""What goes wrong in one run, and how often: drawn from its seed, so that runs differ in kind as well as in detail."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Weather:
    """Probabilities, by what they are of; times in seconds."""

    # Of a hop between two machines, or of a machine and its store: the time that most take.
    hop: float = 0.001
    # Of hops: those that take much longer.
    slow: float = 0.0
    # Of what is published, for each who should get it.
    bus_lost: float = 0.0
    bus_doubled: float = 0.0
    # Whether what is published may overtake what was published before it.
    bus_reorders: bool = False
    # Of losses on the bus: those that the subscriber is told of as a gap.
    gap_told: float = 1.0
    # Of calls: the request is lost, or its answer, or the stream breaks at an event.
    request_lost: float = 0.0
    answer_lost: float = 0.0
    stream_broken: float = 0.0
    # Of commits: refused, or stored though the answer is lost.
    commit_refused: float = 0.0
    commit_answer_lost: float = 0.0
    # Of commits: the machine dies just before or just after.
    crash_at_commit: float = 0.0
    # Of commits: the machine stands still just before it hands them in.
    freeze_at_commit: float = 0.0
    # Steps of the loop between two blows: a machine is killed, frozen or stopped, or the bus or a store is away.
    blow_steps: int = 0
    # How far a machine's clock is off, at most.
    skew: float = 0.0


CALM = Weather()
# Seconds that a machine stands still: shorter and longer than leases last.
FREEZES = (0.5, 5.0, 30.0)


def draw(random: Random) -> Weather:
    """The weather of a run."""

    def sometimes(most: float) -> float:
        return random.uniform(0, most) if random.random() < 0.5 else 0.0

    return Weather(
        hop=random.choice((0.0005, 0.002, 0.01)),
        slow=sometimes(0.2),
        bus_lost=random.choice((0.0, 0.0, random.uniform(0, 0.2), random.uniform(0, 0.5), 1.0)),
        bus_doubled=sometimes(0.3),
        bus_reorders=random.random() < 0.5,
        gap_told=random.choice((0.0, 0.0, 0.5, 1.0)),
        request_lost=sometimes(0.1),
        answer_lost=sometimes(0.1),
        stream_broken=sometimes(0.1),
        commit_refused=sometimes(0.1),
        commit_answer_lost=sometimes(0.05),
        crash_at_commit=sometimes(0.1),
        freeze_at_commit=sometimes(0.05),
        blow_steps=random.choice((0, 50, 200, 600)),
        skew=sometimes(0.2),
    )
