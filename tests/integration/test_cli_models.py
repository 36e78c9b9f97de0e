"""`llmchat models`, `llmchat model load` and `llmchat admin model`."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from libs.client import Client
from tests.integration.conftest import House, open_house
from tests.integration.test_cli import run
from tests.standins.ollama_server import Fetching, StandInOllama
from tests.standins.provider_server import serve

PASSWORD = "correct horse battery"
ADA = "ada@example.com"
PARROT: dict[str, Any] = {
    "id": "parrot",
    "name": "Parrot",
    "provider": "MODEL_PROVIDER_ECHO",
    "specs": {"context_length": 65536, "maxOutputTokens": 32768},
    "ui": {"display_order": 3},
    "status": {"is_available": True},
}

# Runs `llmchat` with these arguments.
Command = Callable[..., Awaitable[subprocess.CompletedProcess[str]]]


@pytest.fixture
async def ollama() -> AsyncIterator[StandInOllama]:
    """A machine with Ollama, which has no model yet."""
    async with serve(StandInOllama()) as ollama:
        ollama.at_hand.clear()
        part = {"status": "pulling 1", "digest": "sha256:1", "total": 100}
        ollama.fetching = Fetching(({**part, "completed": 50}, {**part, "completed": 100}, {"status": "success"}))
        yield ollama


@pytest.fixture
async def house(ollama: StandInOllama, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setenv("LLMCHAT_OLLAMA_BASE_URL", ollama.base_url)
    async with open_house(tmp_path / "data") as house:
        yield house


@pytest.fixture
def llmchat(house: House, tmp_path: Path) -> Command:
    async def command(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        environment = {"LLMCHAT_ADDRESS": house.address, "XDG_CONFIG_HOME": str(tmp_path)}
        return await asyncio.to_thread(partial(run, *arguments, environment=environment, typed=typed))

    return command


@pytest.fixture
def admin(llmchat: Command, tmp_path: Path) -> Command:
    async def command(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return await llmchat("admin", "model", *arguments, "--data", str(tmp_path / "data"), typed=typed)

    return command


async def test_a_model_is_put_changed_deprecated_and_removed(llmchat: Command, admin: Command, tmp_path: Path) -> None:
    file = tmp_path / "parrot.json"
    file.write_text(json.dumps(PARROT))

    put = await admin("put", str(file))
    assert (put.returncode, put.stdout, put.stderr) == (0, "parrot is in the catalog, at etag 1\n", "")
    listed = (await llmchat("models")).stdout.splitlines()
    assert [line.split()[:2] for line in listed if "Parrot" in line] == [["parrot", "Parrot"]]

    shown = json.loads((await admin("show", "parrot")).stdout)
    shown["name"] = "Macaw"
    assert (await admin("put", "-", typed=json.dumps(shown))).stdout == "parrot is in the catalog, at etag 2\n"
    stale = await admin("put", "-", typed=json.dumps(shown))
    assert (stale.returncode, stale.stderr) == (1, "error: the etag '1' is not current: read the document again\n")

    early = await admin("remove", "parrot")
    assert (early.returncode, early.stderr) == (1, "error: the model parrot is in use: deprecate it first\n")
    deprecated = await admin("deprecate", "parrot", "--replacement", "echo")
    assert deprecated.stdout == "parrot is deprecated: echo replaces it\n"
    assert (await admin("remove", "parrot")).stdout == "parrot is in no list any more\n"
    assert "parrot" not in (await llmchat("models")).stdout


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("no JSON", "holds no model"),
        ('{"id": "parrot", "wings": 2}', "wings"),
        ('{"id": "parrot", "name": "P", "provider": "MODEL_PROVIDER_ECHO"}', "model.specs"),
    ],
)
async def test_what_is_no_model_is_refused_in_one_line(admin: Command, text: str, error: str) -> None:
    result = await admin("put", "-", typed=text)

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert error in result.stderr


async def test_a_model_is_loaded_while_one_watches(llmchat: Command, house: House) -> None:
    async with Client(house.address) as client:
        await client.register(ADA, "Ada", PASSWORD)
    await llmchat("login", "--username", ADA, "--password-stdin", typed=f"{PASSWORD}\n")

    loaded = await llmchat("model", "load", "gemma2-2b-local")

    assert (loaded.returncode, loaded.stderr) == (0, "")
    *progress, last, end = loaded.stdout.splitlines()
    assert (last, end) == ("100 %", "gemma2-2b-local is loaded")
    assert all(line.endswith(" %") for line in progress)
    [gemma] = [line for line in (await llmchat("models")).stdout.splitlines() if "gemma2" in line]
    available, health, _, _, failed, _ = gemma.split()[-6:]
    assert (available, health, failed) == ("yes", "healthy", "0")
    cloud = await llmchat("model", "load", "gpt-5")
    assert (cloud.returncode, cloud.stderr) == (1, "error: the model gpt-5 is not one that is loaded\n")
