"""The file that remembers who is signed in where."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path

import pytest

from libs.client.credentials import Credentials, KeptSession, credentials_path
from libs.client.printing import printable
from libs.client.session import Session
from libs.common.errors import Invalid

ADA = Session("ada@example.com", "token-1", renew_at=1_800_000, refresh_token="refresh-1", refresh_id="id-1")


def test_it_remembers_one_person_per_address(tmp_path: Path) -> None:
    path = tmp_path / "llmchat" / "credentials.json"
    Credentials(path).put("here:1", ADA)
    Credentials(path).put("there:2", Session("bob@example.com", "token-2"))

    assert Credentials(path).get("here:1") == ADA
    assert Credentials(path).get("there:2") == Session("bob@example.com", "token-2")
    assert Credentials(path).get("nowhere:3") is None


def test_only_its_owner_can_read_it_whoever_made_it_before(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    path.write_text("{}")
    path.chmod(0o644)

    Credentials(path).put("here:1", ADA)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())["here:1"]["username"] == "ada@example.com"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_from_before_there_were_refresh_tokens_is_read(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    path.write_text('{"here:1": {"username": "ada@example.com", "token": "token"}}')

    assert Credentials(path).get("here:1") == Session("ada@example.com", "token")


def test_who_is_forgotten_at_one_address_stays_at_another(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path / "credentials.json")
    credentials.put("here:1", ADA)
    credentials.put("there:1", ADA)

    credentials.remove("here:1")
    credentials.remove("nowhere:1")

    assert credentials.get("here:1") is None
    assert credentials.get("there:1") == ADA


async def test_another_person_who_has_signed_in_meanwhile_is_not_forgotten(tmp_path: Path) -> None:
    kept = KeptSession(Credentials(tmp_path / "credentials.json"), "here:1")
    kept.put(ADA)

    await kept.forget("bob@example.com")
    assert kept.get() == ADA

    await kept.forget("ada@example.com")
    assert kept.get() is None


async def test_a_session_is_one_process_s_at_a_time(tmp_path: Path) -> None:
    kept = KeptSession(Credentials(tmp_path / "credentials.json"), "here:1")
    kept.put(ADA)
    told: list[str] = []

    async def take_a_turn() -> None:
        async with kept.shared() as session:
            assert session is not None
            told.append(session.token)

    async with kept.shared():
        waiting = asyncio.create_task(take_a_turn())
        # A lock is its file's, so that a process waits for itself as for any other.
        await asyncio.sleep(0.1)
        assert told == []
        kept.put(Session("ada@example.com", "token-2"))
    await waiting

    assert told == ["token-2"]


@pytest.mark.parametrize("content", ["not json", "[]", '{"here:1": {"name": "ada"}}', '{"here:1": 7}'])
def test_another_file_in_its_place_is_refused_with_its_path(tmp_path: Path, content: str) -> None:
    path = tmp_path / "credentials.json"
    path.write_text(content)

    with pytest.raises(Invalid, match=r"credentials\.json"):
        Credentials(path).get("here:1")


def test_it_lies_where_the_platform_keeps_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert credentials_path() == tmp_path / "llmchat" / "credentials.json"


def test_what_is_shown_of_a_session_holds_no_secret() -> None:
    assert repr(ADA) == "Session(username='ada@example.com', renew_at=1800000)"


def test_what_a_model_writes_cannot_command_the_terminal() -> None:
    assert printable("a\x1b[2Jb\x07\x9bc\r\n\tWörld 👩‍🚀") == "a[2Jbc\n\tWörld 👩‍🚀"
