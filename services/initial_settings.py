"""Who is to be the first administrator of a new installation."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class InitialSettings(BaseSettings):
    """Read by `llmchat init` alone."""

    model_config = SettingsConfigDict(env_prefix="LLMCHAT_", extra="ignore")

    admin: str = Field(
        default="", description="E-mail address of whom `llmchat init` makes an administrator; left out: nobody."
    )
    admin_password: SecretStr | None = Field(
        default=None, description="The password that it gives them, where they have no account yet."
    )
