"""What is played: each scenario has machines, a load, and the promises that must hold in the end."""

from collections.abc import Mapping

from tests.simulation.scenarios import cascades, events, streams
from tests.simulation.simulation import Scenario

SCENARIOS: Mapping[str, Scenario] = {"events": events.run, "cascades": cascades.run, "streams": streams.run}
