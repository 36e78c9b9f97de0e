"""What `llmchat` does with sign-ins and keys, as their owner meets it."""

from __future__ import annotations

import asyncio
import json
import stat
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from libs.common.opening import open_process
from libs.common.settings import Settings
from services.__main__ import EMBEDDED
from tests.integration.servers_clock import TOKEN_LIFE, ServersClock
from tests.integration.test_cli import LLMCHAT, run
from tests.standins.terminal import Terminal

PASSWORD = "correct horse battery"
ADA = ("--username", "ada@example.com", "--password-stdin")

# Runs the command at one of Ada's machines, with what is typed and settings beside the machine's.
Run = Callable[..., Awaitable[subprocess.CompletedProcess[str]]]


@pytest.fixture
def clock() -> ServersClock:
    return ServersClock()


@pytest.fixture
async def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: ServersClock) -> AsyncIterator[str]:
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "0")
    settings = Settings(
        listen="127.0.0.1:0", store_url=f"sqlite:///{tmp_path / 'data'}", stop_grace=0, token_life=TOKEN_LIFE
    )
    async with open_process(settings, EMBEDDED, clock=clock) as process:
        yield process.server.address


@pytest.fixture
def laptop(tmp_path: Path, address: str) -> dict[str, str]:
    """The environment of a machine where nobody has signed in yet."""
    return {"XDG_CONFIG_HOME": str(tmp_path / "laptop"), "LLMCHAT_ADDRESS": address}


@pytest.fixture
def phone(tmp_path: Path, address: str) -> dict[str, str]:
    """Another one."""
    return {"XDG_CONFIG_HOME": str(tmp_path / "phone"), "LLMCHAT_ADDRESS": address}


@pytest.fixture
async def llmchat(laptop: dict[str, str]) -> Run:
    """At the laptop, by default, where Ada has registered."""

    async def command(
        *arguments: str, typed: str = "", at: dict[str, str] = laptop, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(partial(run, *arguments, environment={**at, **settings}, typed=typed))

    assert (await command("register", *ADA, typed=f"{PASSWORD}\n")).returncode == 0
    return command


def kept(machine: dict[str, str]) -> Path:
    return Path(machine["XDG_CONFIG_HOME"]) / "llmchat" / "credentials.json"


async def test_a_sign_in_is_carried_on_by_whichever_command_comes_next(
    llmchat: Run, laptop: dict[str, str], clock: ServersClock
) -> None:
    before = kept(laptop).read_text()
    clock.let_tokens_expire()
    assert (await llmchat("threads")).returncode == 0
    after = kept(laptop).read_text()
    clock.let_tokens_expire()
    at_once = await asyncio.gather(*(llmchat("threads") for _ in range(3)))

    assert [result.stderr for result in at_once] == ["", "", ""]
    assert (await llmchat("threads")).returncode == 0
    assert len({before, after, kept(laptop).read_text()}) == 3
    assert stat.S_IMODE(kept(laptop).stat().st_mode) == 0o600


async def test_a_conversation_goes_on_with_a_sign_in_whose_token_has_expired(llmchat: Run, clock: ServersClock) -> None:
    clock.let_tokens_expire()

    said = await llmchat("chat", typed="Remember the milk\n")

    assert (said.returncode, said.stderr) == (0, "")
    assert "echo › Remember the milk" in said.stdout


async def test_a_sign_in_from_before_there_were_refresh_tokens_is_good_until_its_token_expires(
    llmchat: Run, laptop: dict[str, str], clock: ServersClock
) -> None:
    [(address, entry)] = json.loads(kept(laptop).read_text()).items()
    kept(laptop).write_text(json.dumps({address: {name: entry[name] for name in ("username", "token")}}))

    assert (await llmchat("threads")).returncode == 0
    clock.let_tokens_expire()
    expired = await llmchat("threads")

    assert (expired.returncode, expired.stdout) == (1, "")
    assert expired.stderr == "error: the sign-in of ada@example.com has ended: `llmchat login` again\n"


async def test_who_logs_out_is_forgotten(llmchat: Run, laptop: dict[str, str], address: str) -> None:
    before = kept(laptop).read_text()

    assert (await llmchat("logout")).stdout == "ada@example.com is signed out\n"

    assert "`llmchat login` or `llmchat register` first" in (await llmchat("threads")).stderr
    assert (await llmchat("logout")).stderr == f"error: nobody is signed in at {address}\n"
    kept(laptop).write_text(before)
    assert "has ended" in (await llmchat("threads")).stderr, "not only forgotten"


async def test_sign_ins_are_listed_and_ended(llmchat: Run, phone: dict[str, str]) -> None:
    await llmchat("login", *ADA, typed=f"{PASSWORD}\n", at=phone)

    listed = await llmchat("sessions")
    rows = [line for line in listed.stdout.splitlines() if line.startswith("session_")]
    assert ["this one" in row for row in rows] == [False, True]
    assert all("llmchat on " in row for row in rows)
    id = rows[0].split()[0]
    ended = await llmchat("sessions", "--revoke", id)
    refused = await llmchat("threads", at=phone)

    assert ended.stdout == f"{id} is ended\n"
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "error: the sign-in of ada@example.com has ended: `llmchat login` again\n"
    assert (await llmchat("threads")).returncode == 0


async def test_a_conversation_and_a_watch_end_with_their_sign_in(
    llmchat: Run, phone: dict[str, str], tmp_path: Path
) -> None:
    await llmchat("login", *ADA, typed=f"{PASSWORD}\n", at=phone)
    ids = [line.split()[0] for line in (await llmchat("sessions")).stdout.splitlines() if line.startswith("session_")]

    def look_on() -> None:
        with (
            Terminal([*LLMCHAT, "threads", "--watch"], phone, tmp_path) as watch,
            Terminal([*LLMCHAT, "chat"], phone, tmp_path) as chat,
        ):
            watch.see("no conversations yet")
            chat.see("you › ")
            assert run("sessions", "--revoke", ids[0], environment=llmchat_environment).returncode == 0
            watch.see("error: the sign-in of ada@example.com has ended: `llmchat login` again\n")
            assert watch.leave() == 1
            chat.type("Hello\n")
            chat.see("error: the sign-in of ada@example.com has ended: `llmchat login` again\n")
            assert chat.leave() == 1

    llmchat_environment = {**phone, "XDG_CONFIG_HOME": str(tmp_path / "laptop")}
    await asyncio.to_thread(look_on)


async def test_another_password_ends_the_other_sign_ins(llmchat: Run, phone: dict[str, str]) -> None:
    await llmchat("login", *ADA, typed=f"{PASSWORD}\n", at=phone)

    wrong = await llmchat("password", "--stdin", typed="not this one\na staple of my own\n")
    changed = await llmchat("password", "--stdin", typed=f"{PASSWORD}\na staple of my own\n")

    assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1)
    assert changed.stdout == "the password is changed; your other sign-ins have ended\n"
    assert (await llmchat("threads")).returncode == 0
    assert "has ended" in (await llmchat("threads", at=phone)).stderr
    assert (await llmchat("login", *ADA, typed="a staple of my own\n", at=phone)).returncode == 0


async def test_a_program_acts_by_an_access_key(llmchat: Run, phone: dict[str, str]) -> None:
    await llmchat("chat", typed="Remember the milk\n")

    made = await llmchat("keys", "create", "a reader", "--allow", "thread.list", "--expires", "90d")
    secret = made.stdout.strip()
    by_key = {**phone, "LLMCHAT_ACCESS_KEY": secret}
    listed = await llmchat("keys")
    id = next(line.split()[0] for line in listed.stdout.splitlines() if "a reader" in line)

    assert made.stdout == f"{secret}\n", "alone, for KEY=$(llmchat keys create …)"
    assert secret not in made.stderr + listed.stdout
    assert "thread.list" in listed.stdout
    assert "thread_" in (await llmchat("threads", at=by_key)).stdout
    forbidden = await llmchat("keys", at=by_key)
    assert (forbidden.returncode, forbidden.stderr.count("\n")) == (1, 1)

    assert (await llmchat("keys", "revoke", id)).stdout == f"{id} is revoked\n"
    refused = await llmchat("threads", at=by_key)
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: LLMCHAT_ACCESS_KEY is refused: ")
    assert secret not in refused.stderr
    assert not kept(phone).exists()
    assert (await llmchat("keys")).stdout == "no access keys: `llmchat keys create` makes one\n"


async def test_a_key_for_a_provider_is_stored_and_never_shown(llmchat: Run) -> None:
    key = "sk-proj-0123456789abcdefghijklmnop"

    stored = await llmchat("provider-key", "set", "openai", "--stdin", typed=f"{key}\n")
    listed = await llmchat("provider-key")
    removed = await llmchat("provider-key", "delete", "openai")
    again = await llmchat("provider-key", "delete", "openai")

    assert stored.stdout == "the key for openai is stored\n"
    assert any(line.startswith("openai ") for line in listed.stdout.splitlines())
    assert removed.stdout == "the key for openai is removed\n"
    assert again.returncode == 1
    assert (await llmchat("provider-key")).stdout.startswith("no keys of your own")
    assert key not in "".join(result.stdout + result.stderr for result in (stored, listed, removed, again))


async def test_everything_of_a_person_goes_into_a_file(llmchat: Run, laptop: dict[str, str], tmp_path: Path) -> None:
    await llmchat("chat", typed="Remember the milk\n")

    documents = [json.loads(line) for line in (await llmchat("export")).stdout.splitlines()]
    table = (await llmchat("export", "--csv")).stdout

    assert {"users", "threads", "messages"} <= {document["service"] for document in documents}
    assert "Remember the milk" in json.dumps(documents)
    assert "Remember the milk" in table
    with Terminal([*LLMCHAT, "export"], laptop, tmp_path) as terminal:
        terminal.see("error: an export is not shown on a terminal: send it into a file with `> FILE`")
        assert terminal.leave() == 1


async def test_secrets_are_typed_unseen(llmchat: Run, laptop: dict[str, str], tmp_path: Path) -> None:
    def look() -> None:
        with Terminal([*LLMCHAT, "provider-key", "set", "openai"], laptop, tmp_path) as terminal:
            terminal.see("Key: ")
            terminal.type("sk-proj-0123456789abcdefghijklmnop\n")
            shown = terminal.see(r"(?s).*the key for openai is stored")[0]
            assert "sk-proj" not in shown
            assert terminal.leave() == 0

    await asyncio.to_thread(look)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("keys", "create", "a reader", "--allow", "*", "--expires", "soon"), "'soon' is no time: 30min, 12h, 90d"),
        (("keys", "create", "a reader", "--allow", "*", "--expires", "2020-01-31"), "expires_at"),
        (("keys", "create", "a reader", "--allow", "all"), "permissions"),
        (("keys", "revoke", "no-such-key"), "not found"),
        (("sessions", "--revoke", "no-such-session"), "not found"),
    ],
)
async def test_what_is_refused_is_one_line(llmchat: Run, arguments: tuple[str, ...], text: str) -> None:
    result = await llmchat(*arguments)

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert text in result.stderr
