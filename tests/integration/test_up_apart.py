"""`python -m services.<name>` and `llmchat up --apart`, as who starts them meets them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from libs.client.server_process import free_ports
from libs.common.settings import SERVICES, address_setting
from tests.integration.processes import is_running
from tests.standins.terminal import CTRL_C, Terminal

LLMCHAT = (sys.executable, "-c", "from libs.client.cli import main; main()")


def test_a_process_that_cannot_start_names_the_setting_and_ends() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LLMCHAT_")}
    given = {"LLMCHAT_LISTEN": "127.0.0.1:0", "LLMCHAT_STORE_URL": "memory://"}
    command = (sys.executable, "-m", "services.messages")

    ended = subprocess.run(command, env=environment | given, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 1
    assert (
        ended.stderr
        == "llmchat: LLMCHAT_THREADS_ADDRESS is not set: messages calls threads, which is not served here\n"
    )


def test_up_apart_shows_its_processes_starts_again_what_dies_and_stops_cleanly(tmp_path: Path) -> None:
    command = [*LLMCHAT, "up", "--apart", "--port", str(free_ports(1)[0]), "--data", "kept"]
    with Terminal(command, {"COLUMNS": "300"}, tmp_path) as terminal:
        pids = {
            name: int(terminal.see(rf"{name} +1 +127\.0\.0\.1:\d+ +(\d+) +serving")[1]) for name in (*SERVICES, "redis")
        }
        exported = dict(re.findall(r"(LLMCHAT_\w+)=(\S+)", terminal.see(r"export (LLMCHAT_.*)\n")[1]))
        assert set(exported) == {address_setting(service) for service in SERVICES}
        environment = {**os.environ, **exported, "XDG_CONFIG_HOME": str(tmp_path)}
        models = subprocess.run([*LLMCHAT, "models"], env=environment, capture_output=True, text=True, check=True)
        assert "echo" in models.stdout

        os.kill(pids["catalog"], 9)
        terminal.see("catalog 1 ended with code -9; it starts again")
        terminal.see("catalog 1 serves again")
        terminal.type(CTRL_C)
        terminal.see("stopping")
        terminal.see("stopped")

        assert terminal.leave() == 0
    assert (tmp_path / "kept" / "logs" / "threads-1.log").exists()
    assert not [pid for pid in pids.values() if is_running(pid)]


def test_up_apart_says_why_a_process_does_not_start(tmp_path: Path) -> None:
    environment = {**os.environ, "LLMCHAT_TOKEN_LIFE": "-1"}
    command = [*LLMCHAT, "up", "--apart", "--port", "0", "--data", str(tmp_path / "data")]

    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 1
    assert re.fullmatch(r"error: \w+ 1: the server ended with code 1: llmchat: LLMCHAT_TOKEN_LIFE.*\n", ended.stderr)
