"""`llmchat copy`: a house moved from one place to another, with all that it holds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from llmchat.messages.v1.message_pb2 import Message

from libs.client import Client
from libs.common.store.open import open_engine
from libs.common.store.port import Put
from services.messages.collections import MESSAGES
from services.owned import held_by
from tests.integration.conftest import open_house
from tests.integration.test_cli import number, run

COPIED = int(os.environ.get("LLMCHAT_TEST_COPIED", "4000"))
PASSWORD = "correct horse battery"
ADA = "ada@example.com"


def copy(source: Path, destination: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    urls = {"LLMCHAT_COPY_FROM": f"sqlite:///{source}", "LLMCHAT_COPY_TO": f"sqlite:///{destination}"}
    return run("copy", *arguments, environment=urls)


@pytest.fixture
async def lived_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a house in which somebody has had a conversation, and from which everybody has gone."""
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "0")
    async with open_house(tmp_path / "here") as house, Client(house.address) as ada:
        await ada.register(ADA, "Ada", PASSWORD)
        await ada.login(ADA, PASSWORD)
        thread = await ada.create_thread("Moving")
        async for _ in ada.send(thread.id, "echo", "one two three"):
            pass
    return tmp_path / "here"


async def test_a_house_goes_on_elsewhere_as_if_nothing_had_happened(lived_in: Path, tmp_path: Path) -> None:
    moved = copy(lived_in, tmp_path / "there")
    assert moved.returncode == 0, moved.stderr
    assert number(r"(\d+) documents in \d+ collections are equal on both sides", moved.stdout) > 20
    (tmp_path / "there" / "secret.key").write_bytes((lived_in / "secret.key").read_bytes())
    async with open_house(tmp_path / "there") as house, Client(house.address) as ada:
        await ada.login(ADA, PASSWORD)
        (thread,) = [thread async for thread in ada.list_threads()]
        assert thread.title == "Moving"
        texts = {message.content or message.tokens.text async for message in ada.list_messages(thread.id)}
        assert texts == {"one two three"}
        async for _ in ada.send(thread.id, "echo", "four"):
            pass


async def test_the_secret_key_is_no_document_and_that_is_said(lived_in: Path, tmp_path: Path) -> None:
    moved = copy(lived_in, tmp_path / "there")
    assert "secret key" in moved.stdout
    assert not (tmp_path / "there" / "secret.key").exists()


async def test_a_house_that_is_lived_in_may_be_read_meanwhile(lived_in: Path, tmp_path: Path) -> None:
    async with open_house(lived_in, redelivery_interval=1000, pull_interval=1000) as house:
        moved = copy(lived_in, tmp_path / "there", "--service", "threads")
        assert moved.returncode == 0, moved.stderr
        async with Client(house.address) as ada:
            await ada.login(ADA, PASSWORD)
            assert [thread.title async for thread in ada.list_threads()] == ["Moving"]


async def test_one_service_may_go_alone(lived_in: Path, tmp_path: Path) -> None:
    moved = copy(lived_in, tmp_path / "there", "--service", "threads", "--service", "users")
    assert moved.returncode == 0, moved.stderr
    assert {path.stem for path in (tmp_path / "there").glob("*.db")} == {"threads", "users"}


async def test_a_place_that_holds_others_is_left_as_it_is(lived_in: Path, tmp_path: Path) -> None:
    async with open_house(tmp_path / "there"):
        pass
    refused = copy(lived_in, tmp_path / "there")
    assert refused.returncode == 1
    assert re.search("holds documents in .* that are not those of the source", refused.stderr)
    async with open_house(tmp_path / "there") as house, Client(house.address) as ada:
        await ada.register(ADA, "Ada", PASSWORD)


async def test_a_folder_in_use_is_no_destination(lived_in: Path, tmp_path: Path) -> None:
    async with open_house(tmp_path / "there"):
        refused = copy(lived_in, tmp_path / "there")
    assert (refused.returncode, "in use by another process" in refused.stderr) == (1, True)


def test_what_cannot_be_copied_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source, destination, told in (
        (tmp_path / "nowhere", tmp_path / "there", "not found"),
        (tmp_path / "empty", tmp_path / "there", "nothing is copied"),
        (tmp_path / "empty", tmp_path / "there" / ".." / "empty", "the same place"),
    ):
        refused = copy(source, destination)
        assert refused.returncode == 1
        assert told in refused.stderr
        assert "Traceback" not in refused.stderr
    assert not (tmp_path / "nowhere").exists()


async def test_memory_does_not_grow_with_what_is_copied(tmp_path: Path) -> None:
    # Forty megabytes at least, and so many at once would tell.
    size = max(500, 40_000_000 // COPIED)
    await fill(tmp_path / "few", 100, size)
    await fill(tmp_path / "many", COPIED, size)
    few, many = [memory_to_copy(tmp_path / name, tmp_path / f"{name} copied") for name in ("few", "many")]
    print(f"most memory while copying 100 and {COPIED:,} documents: {few >> 20} and {many >> 20} MiB")  # noqa: T201
    assert many < few + 20 * 2**20


async def fill(folder: Path, documents: int, size: int) -> None:
    """Puts messages of that many characters each."""
    store = await open_engine(f"sqlite:///{folder}", "messages", held_by("messages"))
    for start in range(0, documents, 100):
        ids = [f"msg_{number:08}" for number in range(start, min(start + 100, documents))]
        await store.commit([Put(MESSAGES.name, id, Message(id=id, content="x" * size), 0) for id in ids])
    await store.close()


def memory_to_copy(source: Path, destination: Path) -> int:
    """The most bytes that the copying process held."""
    urls = {"LLMCHAT_COPY_FROM": f"sqlite:///{source}", "LLMCHAT_COPY_TO": f"sqlite:///{destination}"}
    command = (sys.executable, "-m", "services.copy", "--service", "messages")
    child = subprocess.Popen(command, env={**os.environ, **urls}, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    return used.ru_maxrss * 1024
