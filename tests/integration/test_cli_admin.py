"""`llmchat admin`, as whoever holds the installation's secret key runs it."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from llmchat.store.v1.outbox_pb2 import OutboxEvent
from llmchat.users.v1.user_pb2 import KEY_PROVIDER_OPENAI

from libs.client import Client
from libs.common.documents.system import OUTBOX
from libs.common.errors import Denied, Exhausted, Precondition, Unauthenticated
from tests.integration.calling import eventually
from tests.integration.conftest import House
from tests.integration.planting import plant
from tests.integration.test_cli import run

PASSWORD = "correct horse battery"
ADA = "ada@example.com"

# Runs `llmchat admin` with these arguments.
Admin = Callable[..., Awaitable[subprocess.CompletedProcess[str]]]


@pytest.fixture
def admin(house: House, tmp_path: Path) -> Admin:
    async def command(*arguments: str, data: str = "data") -> subprocess.CompletedProcess[str]:
        at = ("--data", str(tmp_path / data))
        return await asyncio.to_thread(
            partial(run, "admin", *arguments, *at, environment={"LLMCHAT_ADDRESS": house.address})
        )

    return command


@pytest.fixture
async def ada(house: House) -> AsyncIterator[Client]:
    async with Client(house.address) as client:
        await client.register(ADA, "Ada", PASSWORD)
        await client.login(ADA, PASSWORD)
        yield client


async def test_accounts_are_listed(admin: Admin, ada: Client) -> None:
    me = await ada.me()

    everyone = await admin("users")
    by_name = await admin("users", "--username", ADA)
    nobody = await admin("users", "--username", "bob@example.com")

    assert (everyone.returncode, everyone.stderr) == (0, "")
    assert everyone.stdout == by_name.stdout
    assert f"{me.id}  ada@example.com  Ada   user  active" in everyone.stdout
    assert "ada@example.com" not in nobody.stdout


async def test_a_person_is_shut_out_and_let_in_again(admin: Admin, ada: Client) -> None:
    suspended = await admin("suspend", ADA, "--reason", "a bill is open")

    assert suspended.stdout == "ada@example.com is suspended\n"
    with pytest.raises(Unauthenticated):
        await ada.me()
    with pytest.raises(Denied):
        await ada.login(ADA, PASSWORD)
    assert "suspended: a bill is open" in (await admin("users")).stdout

    assert (await admin("reactivate", ADA)).stdout == "ada@example.com may sign in again\n"
    await ada.login(ADA, PASSWORD)


async def test_a_person_is_made_an_administrator(admin: Admin, ada: Client) -> None:
    me = await ada.me()

    made = await admin("role", me.id, "admin")

    assert made.stdout == "ada@example.com is an administrator\n"
    assert "admin  active" in (await admin("users")).stdout
    assert (await admin("role", ADA, "user")).stdout == "ada@example.com is no administrator\n"


async def test_what_was_done_is_looked_up(admin: Admin, ada: Client) -> None:
    me = await ada.me()
    await admin("suspend", ADA, "--reason", "a bill is open")

    async def rows(*filters: str) -> list[str]:
        return (await admin("audit", *filters)).stdout.splitlines()[1:]

    # The log is written by events.
    async with asyncio.timeout(20):
        while len(of_ada := await rows("--user", me.id, "--since", "1h")) < 3:
            pass
    assert {row.split()[4] for row in of_ada} == {"user.create", "user.login", "user.suspend"}
    [suspension] = await rows("--action", "user.suspend")
    assert suspension.split()[3:7] == ["operator", "user.suspend", "user", me.id]
    assert suspension in await rows("--entity", f"user:{me.id}")
    assert await rows("--user", me.id, "--until", "1h") == []
    newest = await admin("audit", "--limit", "1")
    assert newest.stdout.endswith("the newest 1; --limit and --until show more\n")


async def test_limits_are_shown_and_changed(admin: Admin, ada: Client) -> None:
    before = await admin("limits")
    changed = await admin("limits", "--set", "max_threads_per_user=1", "--set", "max_open_streams=9000")
    after = await admin("limits")

    assert before.stdout.splitlines()[0].split() == ["limit", "value"]
    assert changed.stdout == after.stdout != before.stdout
    assert ["max_threads_per_user", "1"] in [line.split() for line in after.stdout.splitlines()]
    assert ["max_open_streams", "9,000"] in [line.split() for line in after.stdout.splitlines()]
    await ada.create_thread()
    with pytest.raises(Exhausted):
        await ada.create_thread()


async def test_features_and_defaults_are_shown_and_changed(admin: Admin, ada: Client) -> None:
    before = await admin("config")
    changed = await admin("config", "--set", "user_registration=off", "--set", "temperature=0", "--set", "model=gpt-5")

    assert "user_registration  on" in before.stdout
    assert [line.rstrip().split(maxsplit=1) for line in changed.stdout.splitlines()] == [
        ["setting", "value"],
        ["user_registration", "off"],
        ["model_loading", "on"],
        ["streaming", "on"],
        ["summarization", "on"],
        ["temperature", "0.0"],
        ["model", "gpt-5"],
        ["system_prompt", "You are a helpful AI assistant."],
    ]
    assert (await admin("config")).stdout == changed.stdout
    with pytest.raises(Precondition):
        await ada.register("bob@example.com", "Bob", PASSWORD)


async def test_what_there_is_is_shown(admin: Admin, ada: Client) -> None:
    thread = await ada.create_thread("Plans")
    async for _ in ada.send(thread.id, "echo", "one two three"):
        pass

    async def shown() -> list[list[str]]:
        result = await admin("stats", "--days", "1")
        assert (result.returncode, result.stderr) == (0, "")
        return [line.split() for line in result.stdout.splitlines()]

    lines = await eventually(shown, lambda lines: ["messages", "2"] in lines, within=30)
    assert ["users", "1"] in lines
    assert ["threads", "1"] in lines
    assert [line[:2] for line in lines if line and line[0] == "echo"] == [["echo", "1"]]
    assert [line[1:4] for line in lines if line and line[0].startswith("20")] == [["1", "1", "1"]]


async def test_health_is_shown_and_its_lack_is_a_failure(admin: Admin, house: House) -> None:
    well = await admin("health")
    assert (well.returncode, well.stderr) == (0, "")
    assert [line.split()[:2] for line in well.stdout.splitlines()] == [
        ["part", "status"],
        *([name, "healthy"] for name in ("catalog", "messages", "operations", "threads", "users", "bus")),
    ]

    parked = OutboxEvent(id="event_1.messages", type="generation.finished", is_parked=True, waiting_for=["threads"])
    await plant(house, "messages", OUTBOX, parked)
    degraded = await admin("health")
    assert degraded.returncode == 1
    [line] = [line for line in degraded.stdout.splitlines() if line.startswith("messages")]
    assert line.split()[1] == "degraded"
    assert line.endswith("events that wait for a person: 1")


async def test_what_runs_there_is_shown(admin: Admin) -> None:
    shown = await admin("version")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert [line.split()[0] for line in shown.stdout.splitlines()] == ["what", "application", "schema", "environment"]


async def test_everything_of_anyone_is_exported(admin: Admin, ada: Client) -> None:
    await ada.create_thread("Plans")

    exported = await admin("export", ADA)

    documents = [json.loads(line) for line in exported.stdout.splitlines()]
    assert {"users", "threads"} <= {document["service"] for document in documents}
    assert "Plans" in exported.stdout


async def test_an_account_is_deleted_and_its_going_watched(admin: Admin, ada: Client) -> None:
    deleted = await admin("delete", ADA, "--yes")

    assert (deleted.returncode, deleted.stderr) == (0, "")
    assert deleted.stdout.endswith("100 %\nthe account is deleted\n")
    with pytest.raises(Unauthenticated):
        await ada.me()
    assert (await admin("delete", ADA, "--yes")).stderr == "error: user 'ada@example.com' not found\n"


async def test_provider_keys_are_encrypted_under_the_current_key(admin: Admin, ada: Client) -> None:
    await ada.set_provider_key(KEY_PROVIDER_OPENAI, "sk-proj-0123456789abcdefghijklmnop")

    done = await admin("reencrypt")

    assert (done.returncode, done.stderr) == (0, "")
    note, key = done.stdout.splitlines()
    assert note == "0 provider keys encrypted anew"
    assert key.endswith("  1 provider keys, the current one")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("suspend", "no-such-user", "--reason", "none"), "user 'no-such-user' not found"),
        (("reactivate", "bob@example.com"), "user 'bob@example.com' not found"),
        (("limits", "--set", "max_threads=1"), "'max_threads=1' is not LIMIT=NUMBER, with one of max_threads_per_user"),
        (("limits", "--set", "max_open_streams=-1"), "is not LIMIT=NUMBER"),
        (("config", "--set", "streaming=perhaps"), "'streaming=perhaps' is not SETTING=VALUE, with one of"),
        (("config", "--set", "temperature=warm"), "'warm' is no temperature"),
        (("config", "--set", "temperature=2"), "system_config.defaults.temperature"),
        (("config", "--set", "model=gpt-0"), "there is no model 'gpt-0'"),
        (("audit", "--entity", "session"), "'session' is no entity: KIND:ID"),
        (("audit", "--since", "yesterday"), "'yesterday' is no time"),
        (("audit", "--action", "user.laugh"), "is not an action that is audited"),
    ],
)
async def test_what_is_refused_is_one_line(admin: Admin, arguments: tuple[str, ...], text: str) -> None:
    result = await admin(*arguments)

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert text in result.stderr


async def test_without_the_key_nobody_is_an_administrator(admin: Admin, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()

    refused = await admin("users", data="elsewhere")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert "an operator needs the installation's secret key" in refused.stderr


async def test_a_generator_gets_a_token_that_is_good_for_its_days(admin: Admin, house: House) -> None:
    made = await admin("generator-token", "--days", "3")
    verified = house.process.tokens.verify(made.stdout.strip())

    assert made.stdout.count("\n") == 1
    assert (verified.caller.service, verified.caller.user_id, verified.caller.is_admin) == ("generator", "", False)
    assert verified.expires_at - verified.issued_at == pytest.approx(3 * 24 * 3600 * 1000, abs=1000)
    assert "good for 3 days" in made.stderr

    elsewhere = await admin("generator-token", data="elsewhere")
    assert (elsewhere.returncode, elsewhere.stdout) == (1, "")
    assert "secret key" in elsewhere.stderr
