"""The settings of the users service."""

from __future__ import annotations

from pydantic import Field, SecretStr
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
    master_keys: SecretStr | None = Field(
        default=None,
        description="Keys that seal people's provider keys, as LLMCHAT_SECRET_KEY; left out: derived from that.",
    )
