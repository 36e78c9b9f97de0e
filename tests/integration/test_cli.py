"""The `llmchat` command as a person meets it: at a terminal, against a server that `llmchat up` started."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.standins.terminal import CTRL_C, CTRL_D, Terminal

LLMCHAT = (sys.executable, "-c", "from libs.client.cli import main; main()")
PASSWORD = "correct horse battery"
LONG_STORY = " ".join(f"word{number}" for number in range(400))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a server whose echo model writes 40 tokens a second."""
    folder = tmp_path_factory.mktemp("up")
    settings = {"LLMCHAT_ECHO_TOKENS_PER_SECOND": "40", "LLMCHAT_STOP_GRACE": "0"}
    with Terminal([*LLMCHAT, "up", "--port", "0", "--data", "data"], settings, folder) as server:
        yield server.see(r"serves at (\S+)")[1]


@pytest.fixture
def environment(tmp_path: Path, address: str) -> dict[str, str]:
    """Of a person who has never signed in."""
    return {"XDG_CONFIG_HOME": str(tmp_path), "LLMCHAT_ADDRESS": address}


@pytest.fixture
def chat(tmp_path: Path, environment: dict[str, str]) -> Iterator[Terminal]:
    """A conversation at its first prompt, of somebody who has just registered."""
    with Terminal([*LLMCHAT, "chat"], environment, tmp_path) as terminal:
        terminal.see("E-mail: ")
        terminal.type(f"{tmp_path.name}@example.com\n".replace("_", "-"))
        terminal.see("Password: ")
        terminal.type(f"{PASSWORD}\n")
        terminal.see(r"Register it\? \[y/N\]: ")
        terminal.type("y\n")
        terminal.see("you › ")
        yield terminal


def run(*arguments: str, environment: dict[str, str], typed: str = "") -> subprocess.CompletedProcess[str]:
    """The command without a terminal."""
    return subprocess.run(
        [*LLMCHAT, *arguments],
        input=typed,
        env={**os.environ, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def number(pattern: str, text: str) -> int:
    """The number that `pattern` finds in `text`."""
    found = re.search(pattern, text)
    assert found, text
    return int(found[1])


def test_up_serves_until_ctrl_c(tmp_path: Path) -> None:
    with Terminal([*LLMCHAT, "up", "--port", "0", "--data", "kept"], {}, tmp_path) as server:
        server.see(r"serves at 127\.0\.0\.1:\d+")
        server.see("data in kept")
        server.type(CTRL_C)
        server.see("stopping")
        server.see("stopped")

        assert server.leave() == 0
    assert (tmp_path / "kept" / "messages.db").exists()


def test_a_first_conversation_registers_and_keeps_the_token_but_not_the_password(
    chat: Terminal, tmp_path: Path, address: str
) -> None:
    chat.type("Hello, Wörld 👩‍🚀\n")
    chat.see("echo › Hello, Wörld 👩‍🚀\n")
    chat.see("you › ")
    chat.type(CTRL_D)

    assert chat.leave() == 0
    kept = tmp_path / "llmchat" / "credentials.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text())[address]["token"]
    assert PASSWORD not in kept.read_text()


def test_ctrl_c_stops_the_answer_and_not_the_program(chat: Terminal) -> None:
    chat.type(f"{LONG_STORY[:1000]}\n")
    chat.see("echo › word0 word1 word2")
    chat.type(CTRL_C)
    chat.see(r"\(stopped\)")
    chat.see("you › ")

    chat.type("And now?\n")
    chat.see("echo › And now\\?\n")
    chat.see("you › ")
    chat.type("/quit\n")

    assert chat.leave() == 0


def test_ctrl_c_at_the_prompt_tells_how_to_leave(chat: Terminal) -> None:
    chat.insist(CTRL_C, "Ctrl-D or /quit leaves")
    chat.see("you › ")
    chat.type("still here\n")
    chat.see("echo › still here\n")


def test_the_commands_of_a_conversation(chat: Terminal) -> None:
    chat.type("/history\n")
    chat.see("nothing has been said yet")
    chat.type("First words\n")
    chat.see("echo › First words\n")
    chat.type("/history\n")
    chat.see("you\nFirst words\n\necho\nFirst words\n")
    chat.type("/model no-such-model\n")
    chat.see("error: model 'no-such-model' not found\n")
    chat.type("/model\n")
    chat.see("claude-4-opus +Claude 4 Opus")
    chat.type("/threads\n")
    chat.see("thread_")
    chat.type("/new\n")
    chat.see("a new conversation")
    chat.type("/nonsense\n")
    chat.see("/nonsense is no command")
    chat.type("/help\n")
    chat.see("/model ID")


def test_a_question_is_asked_otherwise_and_answered_again(chat: Terminal) -> None:
    chat.type("/again\n")
    chat.see("nothing has been said yet")
    chat.type("First words\n")
    chat.see("echo › First words\n")
    chat.type("/edit Other words\n")
    chat.see("echo › Other words\n")
    chat.type("/again\n")
    chat.see("echo › Other words\n")
    chat.type("/edit\n")
    chat.see("error: ")
    chat.type("/history\n")
    chat.see("you\nOther words\n\necho\nOther words\n")


def test_a_conversation_is_found_again_by_the_other_commands(environment: dict[str, str]) -> None:
    account = ("--username", "reader@example.com", "--password-stdin")
    assert run("register", *account, environment=environment, typed=f"{PASSWORD}\n").returncode == 0

    said = run("chat", environment=environment, typed="Remember the milk\n")
    listed = run("threads", environment=environment)
    thread = next(word for word in listed.stdout.split() if word.startswith("thread_"))
    read = run("history", thread, environment=environment)
    went_on = run("chat", "--thread", thread, environment=environment, typed="And the bread\n")

    assert "echo › Remember the milk" in said.stdout
    assert "you\nRemember the milk\n\necho\nRemember the milk\n" in read.stdout
    assert "echo › And the bread" in went_on.stdout
    assert "no conversations yet" in run("threads", "--archived", environment=environment).stdout
    assert "gpt-5-nano" in run("models", environment=environment).stdout


def test_conversations_are_watched_until_ctrl_c(chat: Terminal, environment: dict[str, str], tmp_path: Path) -> None:
    chat.type("Remember the milk\n")
    chat.see("echo › Remember the milk")
    with Terminal([*LLMCHAT, "threads", "--watch"], environment, tmp_path) as watch:
        watch.see("title +messages")
        chat.insist("And the bread\n", "echo › And the bread")
        watch.see(r"thread_\w+  .+, 4 messages\n")
        watch.type(CTRL_C)
        assert watch.leave() == 0


def test_an_account_is_deleted_once_that_is_confirmed(chat: Terminal, environment: dict[str, str]) -> None:
    chat.type("Forget me\n")
    chat.see("echo › Forget me\n")
    chat.see("you › ")
    chat.type(CTRL_D)
    assert chat.leave() == 0

    refused = run("delete-account", environment=environment, typed="n\n")
    assert refused.returncode == 1
    assert "Forget me" in run("threads", environment=environment).stdout

    deleted = run("delete-account", environment=environment, typed="y\n")
    assert deleted.returncode == 0, deleted.stderr
    assert deleted.stdout.endswith("100 %\nthe account is deleted\n")
    assert "`llmchat login` or `llmchat register` first" in run("threads", environment=environment).stderr
    again = run("delete-account", "--yes", environment=environment)
    assert (again.returncode, again.stdout) == (1, "")


def test_an_error_is_one_line_and_exit_code_1(environment: dict[str, str]) -> None:
    nowhere = {**environment, "LLMCHAT_ADDRESS": "127.0.0.1:1"}
    wrong = ("login", "--username", "nobody@example.com", "--password-stdin")

    for result, text in (
        (run("models", environment=nowhere), "cannot reach 127.0.0.1:1: is `llmchat up` running?"),
        (run("threads", environment=environment), "`llmchat login` or `llmchat register` first"),
        (run(*wrong, environment=environment, typed="a wrong password\n"), "password"),
        (run(*wrong, environment=environment, typed="\n"), "the standard input holds no password"),
    ):
        assert result.returncode == 1
        assert result.stdout == ""
        assert result.stderr.startswith("error: ")
        assert result.stderr.count("\n") == 1
        assert text in result.stderr


def test_up_at_a_taken_address_says_so(environment: dict[str, str], address: str) -> None:
    result = run("up", "--port", address.rpartition(":")[2], environment=environment)

    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr == f"error: {address} is already in use\n"


def test_a_server_that_does_not_start_is_not_waited_for(tmp_path: Path, environment: dict[str, str]) -> None:
    result = run("demo", "--data", str(tmp_path / "data"), environment={**environment, "LLMCHAT_TOKEN_LIFE": "-1"})

    assert result.returncode == 1
    assert "error: the server ended with code 1: llmchat: LLMCHAT_TOKEN_LIFE" in result.stderr


def test_the_demo_without_a_terminal_loses_a_connection_and_no_token(environment: dict[str, str]) -> None:
    result = run("demo", environment=environment)

    assert result.returncode == 0, result.stderr
    before = number(r"tokens before the drop: (\d+)", result.stdout)
    after = number(r"tokens after the resume: (\d+)", result.stdout)
    # Tokens that come together are told together, so the drop may be a little later than it was to be.
    assert before >= 12
    assert after > 0
    assert f"stored answer: {before + after} tokens" in result.stdout
    assert "duplicates: 0\n" in result.stdout
    assert "gaps: 0\n" in result.stdout
    assert "what was seen is, character for character, what is stored" in result.stdout
    assert "OPERATION_STATUS_COMPLETED" in result.stdout
    assert result.stdout.endswith("the server has stopped\n")


def test_a_demo_that_is_terminated_takes_its_server_with_it(tmp_path: Path, environment: dict[str, str]) -> None:
    with Terminal([*LLMCHAT, "demo", "--script"], environment, tmp_path) as terminal:
        address = terminal.see(r"starting a server of its own at (\S+),")[1]
        terminal.see("Please tell this back to me, one token at a time: a stream")
        terminal.see("Please tell this")
        terminal.end()

        assert terminal.leave() == 128 + signal.SIGTERM
    assert "cannot reach" in run("models", environment={**environment, "LLMCHAT_ADDRESS": address}).stderr


def test_a_malformed_address_is_refused(environment: dict[str, str]) -> None:
    result = run("up", environment={**environment, "LLMCHAT_LISTEN": "nonsense"})

    assert (result.returncode, result.stderr) == (1, "error: 'nonsense' is not an address: HOST:PORT\n")
