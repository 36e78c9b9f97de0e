"""The settings of the users service."""

from __future__ import annotations

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class UsersSettings(BaseSettings):
    """From the environment, `LLMCHAT_…`, checked at start-up."""

    model_config = SettingsConfigDict(env_prefix="LLMCHAT_", extra="ignore")

    password_cost: int = Field(
        default=12, ge=12, le=16, description="bcrypt's cost of a password; one more takes twice as long."
    )
    login_failures: int = Field(
        default=5, gt=0, description="Failed logins of an account that are free; an address has ten times as many."
    )
    login_longest_wait: float = Field(
        default=300, gt=0, description="Seconds that a login has to wait at most after further failures."
    )
    session_life: float = Field(
        default=30 * 86400, gt=0, description="Seconds after which a session ends that is not refreshed."
    )
    key_check_claude_url: str = Field(
        default="https://api.anthropic.com", description="Who is asked whether they take a Claude key."
    )
    key_check_openai_url: str = Field(
        default="https://api.openai.com/v1",
        validation_alias=AliasChoices("LLMCHAT_KEY_CHECK_OPENAI_URL", "LLMCHAT_OPENAI_BASE_URL"),
        description="Who is asked whether they take an OpenAI key; where `LLMCHAT_OPENAI_BASE_URL` is set, that one.",
    )
    key_check_google_url: str = Field(
        default="https://generativelanguage.googleapis.com", description="Who is asked whether they take a Google key."
    )
    key_check_timeout: float = Field(
        default=10, gt=0, description="Seconds that a provider has to say whether it takes a key."
    )
    master_keys: SecretStr | None = Field(
        default=None,
        description="Keys that seal people's provider keys, as LLMCHAT_SECRET_KEY; left out: derived from that.",
    )
