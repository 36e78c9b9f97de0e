"""The settings: each is documented in the README, a wrong one is refused by name, and no secret is shown.

`python -m tests.unit.test_settings` writes the README's table anew.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from libs.common.settings import Settings
from services.catalog.settings import CatalogSettings
from services.initial_settings import InitialSettings
from services.messages.settings import MessagesSettings
from services.operations.settings import OperationsSettings
from services.threads.settings import ThreadsSettings
from services.users.settings import UsersSettings

README = Path(__file__).parents[2] / "README.md"
TABLE = re.compile(
    r"(?<=<!-- settings: written by `python -m tests.unit.test_settings` -->\n).*?(?=<!-- /settings -->)", re.S
)
EVERY: tuple[type[BaseSettings], ...] = (
    Settings,
    UsersSettings,
    ThreadsSettings,
    MessagesSettings,
    CatalogSettings,
    OperationsSettings,
    InitialSettings,
)


def table() -> str:
    """A row per setting, in the order of their declaration."""
    head = "| setting | default | what it is |\n|---|---|---|\n"
    rows = (row(name, field) for settings in EVERY for name, field in settings.model_fields.items())
    return head + "".join(rows)


def row(name: str, field: FieldInfo) -> str:
    default = "" if field.default in (None, "") else f"`{field.default}`"
    return f"| `LLMCHAT_{name.upper()}` | {default} | {field.description} |\n"


def test_the_readme_names_every_setting_with_its_default() -> None:
    written = TABLE.search(README.read_text())
    assert written is not None
    assert written.group() == table()


@pytest.mark.parametrize(
    ("name", "value"),
    [("TOKEN_LIFE", "soon"), ("SLOW_QUERY", "-1"), ("LOG_LEVEL", "LOUD"), ("STOP_GRACE", "-0.1")],
)
def test_a_wrong_setting_stops_the_start(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"LLMCHAT_{name}", value)
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert refused.value.errors()[0]["loc"] == (name.lower(),)


@pytest.mark.parametrize(
    "issuers",
    [
        "https://accounts.google.com",
        '[{"issuer": "https://accounts.google.com"}]',
        '[{"issuer": "http://accounts.google.com", "audience": "us"}]',
        '[{"issuer": "https://accounts.google.com", "audience": "us", "jwks_uri": "file:///keys"}]',
        '[{"issuer": "https://accounts.google.com", "audience": "us", "secret": "none is needed"}]',
        '[{"issuer": "https://a.example", "audience": "us"}, {"issuer": "https://a.example", "audience": "them"}]',
    ],
)
def test_wrong_issuers_stop_the_start(monkeypatch: pytest.MonkeyPatch, issuers: str) -> None:
    monkeypatch.setenv("LLMCHAT_OPENID_ISSUERS", issuers)
    with pytest.raises(ValidationError) as refused:
        UsersSettings()
    assert refused.value.errors()[0]["loc"][0] == "openid_issuers"


def test_secrets_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMCHAT_OPENAI_API_KEY", "sk-canary")
    settings = MessagesSettings()
    assert settings.openai_api_key == SecretStr("sk-canary")
    assert "sk-canary" not in repr(settings)

    monkeypatch.setenv("LLMCHAT_BUS_URL", "redis://:canary@127.0.0.1")
    assert "canary" not in repr(Settings())


def test_an_empty_key_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMCHAT_ANTHROPIC_API_KEY", "")
    assert MessagesSettings().anthropic_api_key is None


if __name__ == "__main__":
    README.write_text(TABLE.sub(lambda _: table(), README.read_text()))
