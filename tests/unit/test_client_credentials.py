"""The file that remembers who is signed in where."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from libs.client.credentials import Credentials, SignedIn, credentials_path
from libs.client.printing import printable
from libs.common.errors import Invalid


def test_it_remembers_one_person_per_address(tmp_path: Path) -> None:
    path = tmp_path / "llmchat" / "credentials.json"
    Credentials(path).put("here:1", SignedIn("ada@example.com", "token-1"))
    Credentials(path).put("there:2", SignedIn("bob@example.com", "token-2"))

    assert Credentials(path).get("here:1") == SignedIn("ada@example.com", "token-1")
    assert Credentials(path).get("there:2") == SignedIn("bob@example.com", "token-2")
    assert Credentials(path).get("nowhere:3") is None


def test_only_its_owner_can_read_it_whoever_made_it_before(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    path.write_text("{}")
    path.chmod(0o644)

    Credentials(path).put("here:1", SignedIn("ada@example.com", "token"))

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text()) == {"here:1": {"username": "ada@example.com", "token": "token"}}
    assert list(tmp_path.iterdir()) == [path]


def test_who_is_forgotten_at_one_address_stays_at_another(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path / "credentials.json")
    credentials.put("here:1", SignedIn("ada@example.com", "token"))
    credentials.put("there:1", SignedIn("ada@example.com", "another"))

    credentials.remove("here:1")
    credentials.remove("nowhere:1")

    assert credentials.get("here:1") is None
    assert credentials.get("there:1") == SignedIn("ada@example.com", "another")


@pytest.mark.parametrize("content", ["not json", "[]", '{"here:1": {"name": "ada"}}', '{"here:1": 7}'])
def test_another_file_in_its_place_is_refused_with_its_path(tmp_path: Path, content: str) -> None:
    path = tmp_path / "credentials.json"
    path.write_text(content)

    with pytest.raises(Invalid, match=r"credentials\.json"):
        Credentials(path).get("here:1")


def test_it_lies_where_the_platform_keeps_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert credentials_path() == tmp_path / "llmchat" / "credentials.json"


def test_what_a_model_writes_cannot_command_the_terminal() -> None:
    assert printable("a\x1b[2Jb\x07\x9bc\r\n\tWörld 👩‍🚀") == "a[2Jbc\n\tWörld 👩‍🚀"
