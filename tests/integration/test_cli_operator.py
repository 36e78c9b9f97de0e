"""`llmchat check` and `llmchat events`, as whoever holds the installation's secret key runs them."""

from __future__ import annotations

import asyncio
import subprocess
from base64 import b64encode
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from llmchat.store.v1.outbox_pb2 import OutboxEvent
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.users.stored.v1.user_pb2 import UsernameRecord

from libs.common.clock import timestamp, wall_clock
from libs.common.documents.system import OUTBOX
from libs.common.store.port import Query
from services.threads.collections import THREADS
from services.users.collections import USERNAMES
from tests.integration.calling import NOBODY, eventually
from tests.integration.conftest import House
from tests.integration.planting import documents_of, plant
from tests.integration.test_cli import LLMCHAT, run
from tests.standins.terminal import Terminal

# Runs the command with these arguments, and settings beside those of the house.
Run = Callable[..., Awaitable[subprocess.CompletedProcess[str]]]


@pytest.fixture
def llmchat(house: House, tmp_path: Path) -> Run:
    async def command(*arguments: str, data: str = "data", **settings: str) -> subprocess.CompletedProcess[str]:
        environment = {"LLMCHAT_ADDRESS": house.address, **settings}
        folder = str(tmp_path / data)
        return await asyncio.to_thread(partial(run, *arguments, "--data", folder, environment=environment))

    return command


async def test_a_house_without_orphans_passes(llmchat: Run) -> None:
    result = await llmchat("check")

    assert (result.returncode, result.stderr) == (0, "")
    assert " documents, 0 orphans; 0 events unsettled, 0 of them parked\n" in result.stdout


async def test_orphans_are_listed_and_fail_the_check(house: House, llmchat: Run) -> None:
    await plant(house, "threads", THREADS, Thread(id="thread_left", user_id="user_gone", active_models=["[gone]"]))
    await plant(house, "users", USERNAMES, UsernameRecord(id="name_left", user_id="user_gone"))

    everything = await llmchat("check")
    threads_alone = await llmchat("check", "--service", "threads")

    assert everything.returncode == threads_alone.returncode == 1
    rows = [line.split() for line in everything.stdout.splitlines()]
    assert ["threads", "threads", "thread_left", "user", "user_gone"] in rows
    assert ["threads", "threads", "thread_left", "model", "[gone]"] in rows
    assert ["users", "usernames", "name_left", "user", "user_gone"] in rows
    assert "3 orphans" in everything.stdout
    assert "name_left" not in threads_alone.stdout
    assert "1 documents, 2 orphans" in threads_alone.stdout


async def test_a_check_at_a_terminal_shows_how_far_it_is(house: House, tmp_path: Path) -> None:
    def look() -> int:
        with Terminal([*LLMCHAT, "check"], {"LLMCHAT_ADDRESS": house.address}, tmp_path) as terminal:
            terminal.see("checking|documents of")
            terminal.see("0 orphans")
            return terminal.leave()

    assert await asyncio.to_thread(look) == 0


async def test_a_parked_event_is_listed_and_replayed(house: House, llmchat: Run) -> None:
    hours_ago = timestamp(wall_clock() - 3 * 3_600_000)
    parked = OutboxEvent(
        id="event_1.messages",
        type="generation.finished",
        aggregate_id="thread_1",
        waiting_for=["threads"],
        attempts=20,
        is_parked=True,
        created_at=hours_ago,
        parked_at=hours_ago,
    )
    await plant(house, "messages", OUTBOX, parked)

    listed = await llmchat("events")
    row = ["event_1.messages", "generation.finished", "thread_1", "threads", "20", "3", "h", "parked"]
    assert (listed.returncode, listed.stderr) == (0, "")
    assert [line.split() for line in listed.stdout.splitlines()][1:] == [row]
    elsewhere = await llmchat("events", "--parked", "--owner", "threads", "--owner", "users")
    assert elsewhere.stdout == "no event is parked\n"

    replayed = await llmchat("events", "replay", "event_1.messages")
    assert replayed.stdout == "event_1.messages goes out again, to threads\n"
    documents = await documents_of(house, "messages")
    await eventually(partial(documents.query, Query.by_id(OUTBOX)), lambda events: not events)
    assert (await llmchat("events")).stdout == "every event is settled\n"


async def test_an_event_that_is_not_there_is_not_replayed(llmchat: Run) -> None:
    result = await llmchat("events", "replay", "event_1.messages")

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "error: event 'event_1.messages' not found\n"


async def test_a_service_that_is_away_is_said_to_be(llmchat: Run) -> None:
    listed = await llmchat("events", LLMCHAT_THREADS_ADDRESS=NOBODY)
    checked = await llmchat("check", LLMCHAT_THREADS_ADDRESS=NOBODY)

    assert (listed.returncode, listed.stderr) == (1, "error: threads is away: its events are not listed\n")
    assert (checked.returncode, checked.stdout) == (1, "")
    assert f"cannot reach {NOBODY}" in checked.stderr


async def test_the_secret_key_makes_an_operator(llmchat: Run, tmp_path: Path) -> None:
    key = (tmp_path / "data" / "secret.key").read_text()
    (tmp_path / "elsewhere").mkdir()

    without = await llmchat("check", data="elsewhere")
    with_it = await llmchat("check", data="elsewhere", LLMCHAT_SECRET_KEY=key)
    another = await llmchat("events", LLMCHAT_SECRET_KEY=b64encode(bytes(32)).decode())

    assert (without.returncode, without.stdout) == (1, "")
    assert "an operator needs the installation's secret key: set LLMCHAT_SECRET_KEY, or --data" in without.stderr
    assert list((tmp_path / "elsewhere").iterdir()) == [], "none is made"
    assert with_it.returncode == 0
    assert another.returncode == 1
    assert "the access token is not valid" in another.stderr
    assert key.strip() not in without.stderr + with_it.stdout + another.stderr
