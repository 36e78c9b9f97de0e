"""`llmchat import` and `llmchat export-threads`, as who changes houses meets them."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from libs.client.client import Client
from libs.common.errors import Invalid
from tests.integration.conftest import House, Person
from tests.integration.importing import CHATGPT, CHATGPT_FILE, CLAUDE_FILE, bring_in, threads_of
from tests.integration.test_cli import run

# Runs the command in Anna's name.
Run = Callable[..., Awaitable[subprocess.CompletedProcess[str]]]


@pytest.fixture
async def llmchat(house: House, anna: Person, tmp_path: Path) -> Run:
    token, _ = house.process.tokens.issue_user(anna.user_id, False)
    environment = {
        "XDG_CONFIG_HOME": str(tmp_path),
        "LLMCHAT_ADDRESS": house.address,
        "LLMCHAT_ACCESS_KEY": token,
    }

    async def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(partial(run, *arguments, environment=environment))

    return command


@pytest.fixture
async def client(house: House, anna: Person) -> AsyncIterator[Client]:
    token, _ = house.process.tokens.issue_user(anna.user_id, False)
    async with Client(house.address, token=token) as client:
        yield client


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Exports of both makers, and a file that is none."""
    written = {"chatgpt": CHATGPT_FILE, "claude": CLAUDE_FILE, "other": b"[]"}
    for name, data in written.items():
        (tmp_path / name).write_bytes(data)
    return {name: tmp_path / name for name in written}


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_a_file_is_taken_over_whoever_made_it(llmchat: Run, anna: Person, files: dict[str, Path]) -> None:
    gpt, claude = await llmchat("import", str(files["chatgpt"])), await llmchat("import", str(files["claude"]))
    again = await llmchat("import", str(files["claude"]), "--format", "claude")

    assert "3 conversations with 8 messages are taken over" in gpt.stdout
    assert "2 conversations with 4 messages are taken over" in claude.stdout
    assert "2 were there already" in again.stdout
    assert (gpt.returncode, claude.returncode, again.returncode) == (0, 0, 0)
    assert len(await threads_of(anna)) == 5


async def test_a_file_that_looks_like_none_is_asked_about(llmchat: Run, files: dict[str, Path]) -> None:
    done = await llmchat("import", str(files["other"]))

    assert done.returncode == 1
    assert "say which with --format" in done.stderr


async def test_what_could_not_be_taken_over_is_told(llmchat: Run, tmp_path: Path) -> None:
    conversations = json.loads(CHATGPT_FILE)
    conversations[1]["mapping"]["q"]["message"]["content"]["parts"] = ["x" * 300_000]
    (tmp_path / "long.json").write_text(json.dumps(conversations))
    done = await llmchat("import", str(tmp_path / "long.json"))

    assert done.returncode == 1
    assert "2 conversations with 6 messages are taken over" in done.stdout
    assert "aaaaaaaa-0000-4000-8000-000000000002: a message of it has 300000 characters" in done.stderr


async def test_threads_are_written_to_a_file_or_the_standard_output(llmchat: Run, anna: Person, tmp_path: Path) -> None:
    first, *_ = await bring_in(anna, CHATGPT_FILE)
    everything = tmp_path / "everything.json"
    done = await llmchat("export-threads", "--output", str(everything))
    one = await llmchat("export-threads", first.thread_id, "--format", "claude")

    assert (done.returncode, done.stdout) == (0, "")
    assert len(json.loads(everything.read_text())) == 3
    assert [entry["uuid"] for entry in json.loads(one.stdout)] == [first.thread_id]


async def test_an_export_that_fails_leaves_no_file(llmchat: Run, tmp_path: Path) -> None:
    done = await llmchat("export-threads", "no-such-thread", "-o", str(tmp_path / "threads.json"))

    assert done.returncode == 1
    assert "not found" in done.stderr
    assert not any(name.startswith("threads.json") for name in names_in(tmp_path))


async def test_the_client_brings_in_and_takes_out(client: Client, files: dict[str, Path], tmp_path: Path) -> None:
    taken = await client.import_threads(files["chatgpt"], CHATGPT, model_id="echo")
    (tmp_path / "out.json").write_bytes(b"".join([piece async for piece in client.export_threads(CHATGPT)]))
    again = await client.import_threads(tmp_path / "out.json", CHATGPT)

    assert [one.messages for one in taken] == [5, 2, 1]
    assert sorted(one.thread_id for one in again) == sorted(one.thread_id for one in taken)
    assert all(one.existed for one in again)
    with pytest.raises(Invalid, match="conversation 1: has no `mapping`"):
        await client.import_threads(files["claude"], CHATGPT)
