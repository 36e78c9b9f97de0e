"""`llmchat init`: an installation made ready before anything serves, as often as one likes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from llmchat.users.v1.user_pb2 import USER_ROLE_ADMIN

from libs.client import Client
from libs.common.store.copying import Contents, contents
from libs.common.store.open import open_engine
from services.owned import OWNED, held_by
from tests.integration.conftest import open_house
from tests.integration.test_cli import LLMCHAT, run
from tests.standins.terminal import Terminal

PASSWORD = "correct horse battery"
ROOT = "root@example.com"


def init(folder: Path, *arguments: str, typed: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    return run("init", "--data", str(folder), *arguments, environment=settings, typed=typed)


async def all_contents(folder: Path) -> dict[str, Contents]:
    """What every collection of every service holds."""
    held: dict[str, Contents] = {}
    for service in OWNED:
        store = await open_engine(f"sqlite:///{folder}", service, held_by(service))
        held |= {f"{service}.{spec.name}": await contents(store, spec) for spec in held_by(service)}
        await store.close()
    return held


async def test_a_new_installation_has_all_that_a_house_begins_with(tmp_path: Path) -> None:
    made = init(tmp_path / "data")
    assert made.returncode == 0, made.stderr
    assert "system_config 1 made, 0 were there, models_config 15 made, 0 were there" in made.stdout
    assert "administrator: none was named" in made.stdout
    assert "migrations: 2 applied" in made.stdout
    before = await all_contents(tmp_path / "data")
    async with open_house(tmp_path / "data", migrate="check"):
        pass
    assert await all_contents(tmp_path / "data") == before


async def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    first = init(tmp_path / "data", "--admin", ROOT, LLMCHAT_ADMIN_PASSWORD=PASSWORD)
    assert f"{ROOT} was made" in first.stdout, first.stderr
    before = await all_contents(tmp_path / "data")
    again = init(tmp_path / "data", "--admin", ROOT, LLMCHAT_ADMIN_PASSWORD="another password")
    assert "system_config was there (1), models_config was there (15)" in again.stdout, again.stderr
    assert "migrations: none is pending" in again.stdout
    assert f"{ROOT} was there" in again.stdout
    assert await all_contents(tmp_path / "data") == before


async def test_the_administrator_may_sign_in_and_administer(tmp_path: Path) -> None:
    made = init(tmp_path / "data", "--admin", ROOT, "--password-stdin", typed=f"{PASSWORD}\n")
    assert made.returncode == 0, made.stderr
    assert PASSWORD not in made.stdout + made.stderr
    async with open_house(tmp_path / "data") as house, Client(house.address) as client:
        await client.login(ROOT, PASSWORD)
        assert (await client.me()).role == USER_ROLE_ADMIN


async def test_the_password_is_asked_for_at_a_terminal(tmp_path: Path) -> None:
    with Terminal([*LLMCHAT, "init", "--data", "data", "--admin", ROOT], {}, tmp_path) as terminal:
        terminal.see(r"Password .*: ")
        terminal.type(f"{PASSWORD}\n")
        terminal.see("confirmation: ")
        terminal.type(f"{PASSWORD}\n")
        terminal.see(f"{ROOT} was made")
    async with open_house(tmp_path / "data") as house, Client(house.address) as client:
        await client.login(ROOT, PASSWORD)


async def test_a_person_who_has_an_account_becomes_an_administrator(tmp_path: Path) -> None:
    async with open_house(tmp_path / "data") as house, Client(house.address) as client:
        await client.register(ROOT, "Root", PASSWORD)
    made = init(tmp_path / "data", "--admin", "Root@Example.com")
    assert "had an account and is an administrator now" in made.stdout, made.stderr
    async with open_house(tmp_path / "data") as house, Client(house.address) as client:
        await client.login(ROOT, PASSWORD)
        assert (await client.me()).role == USER_ROLE_ADMIN


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "LLMCHAT_ADMIN_PASSWORD"),
        ({"LLMCHAT_ADMIN_PASSWORD": "short"}, "password: must be at least 8 characters"),
    ],
)
def test_no_administrator_is_made_without_a_good_password(tmp_path: Path, settings: dict[str, str], told: str) -> None:
    refused = init(tmp_path / "data", "--admin", ROOT, **settings)
    assert refused.returncode == 1
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr


async def test_a_house_that_has_its_folder_alone_is_not_joined(tmp_path: Path) -> None:
    async with open_house(tmp_path / "data"):
        refused = init(tmp_path / "data")
    assert refused.returncode == 1
    assert "in use by another process" in refused.stderr


def test_what_keeps_nothing_is_not_made_ready() -> None:
    refused = run("init", environment={"LLMCHAT_STORE_URL": "memory://"})
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "memory:// keeps nothing" in refused.stderr
