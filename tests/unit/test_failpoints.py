"""Failpoints: off unless a setting arms them, each once, at the time that it says."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from libs.common.errors import Invalid, Unavailable
from libs.common.failpoints import FAILPOINTS, Failpoints

NAME = "after_commit_before_publish"


def test_off_they_are_passed() -> None:
    failpoints = Failpoints()
    for name in FAILPOINTS:
        failpoints.reach(name)


def test_an_armed_one_acts_once_at_its_time() -> None:
    failpoints = Failpoints.parse(f"{NAME}=error@3")
    failpoints.reach(NAME)
    failpoints.reach(NAME)
    with pytest.raises(Unavailable, match=NAME):
        failpoints.reach(NAME)
    failpoints.reach(NAME)


def test_several_are_armed_apart_from_each_other() -> None:
    failpoints = Failpoints.parse(f" {NAME}=error, after_effect_before_ack=error@2,")
    failpoints.reach("after_effect_before_ack")
    for name in (NAME, "after_effect_before_ack"):
        with pytest.raises(Unavailable, match=name):
            failpoints.reach(name)


@pytest.mark.parametrize("text", ["nowhere=kill", f"{NAME}=explode", f"{NAME}=kill@often", f"{NAME}=kill@-1", NAME])
def test_a_wrong_one_is_refused_with_all_names(text: str) -> None:
    with pytest.raises(Invalid, match="between_steps_of_effect"):
        Failpoints.parse(text)


@pytest.mark.parametrize(("action", "number"), [("kill", signal.SIGKILL), ("freeze", signal.SIGSTOP)])
async def test_a_process_dies_or_freezes_right_there(action: str, number: signal.Signals) -> None:
    reaching = f"from libs.common.failpoints import Failpoints; Failpoints.parse('{NAME}={action}').reach('{NAME}')"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", f"{reaching}; print('went on')", stdout=-1)
    if number == signal.SIGSTOP:
        stopped = await asyncio.to_thread(os.waitid, os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        assert stopped is not None
        assert stopped.si_status == number
        process.send_signal(signal.SIGCONT)
        assert (await process.communicate())[0] == b"went on\n"
        assert process.returncode == 0
    else:
        assert (await process.communicate())[0] == b""
        assert process.returncode == -number
