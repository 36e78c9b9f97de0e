"""Random requests that know what they imitate: the server answers each with a status that is not its own fault.

`LLMCHAT_FUZZ_REQUESTS` sets how many, `LLMCHAT_FUZZ_SEED` what they are drawn from; `python -m tests.fuzz` tells more.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fuzz.methods import every_method
from tests.fuzz.run import run

REQUESTS = int(os.environ.get("LLMCHAT_FUZZ_REQUESTS", "20000"))
SEED = int(os.environ.get("LLMCHAT_FUZZ_SEED", "0"))
# From the third tenth of a run to its last: what a heap and SQLite's cache may still grow by in a short one.
_GROWTH = 1.25


@pytest.mark.timeout(120 + REQUESTS / 100)
async def test_no_request_is_answered_with_a_fault_of_the_servers_own(tmp_path: Path) -> None:
    outcome = await run(tmp_path, REQUESTS, SEED)

    assert outcome.faults() == []
    assert outcome.summary.unsettled_events == 0
    assert outcome.statuses.total() == REQUESTS
    assert {method for method, _ in outcome.statuses} == {method.path for method in every_method()}
    assert outcome.memory[-1] < outcome.memory[len(outcome.memory) // 5] * _GROWTH, "\n".join(outcome.table())
