"""The settings of the messages service."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class MessagesSettings(BaseSettings):
    """From the environment, `LLMCHAT_…`, checked at start-up."""

    model_config = SettingsConfigDict(env_prefix="LLMCHAT_", extra="ignore")

    echo_tokens_per_second: float = Field(default=50, ge=0, description="Pace of the echo model; 0: as fast as it can.")
    openai_api_key: SecretStr | None = Field(
        default=None,
        description="The installation's key for OpenAI models, for people who have stored none of their own.",
    )
    openai_base_url: str | None = Field(default=None, description="Another OpenAI-compatible server than OpenAI's own.")
    openai_timeout: float = Field(default=60, gt=0, description="Seconds that the OpenAI server may be silent.")
    chunk_linger: float = Field(
        default=0.003, ge=0, description="Seconds that tokens after the first may wait to be stored together."
    )
    lease_seconds: float = Field(default=10, gt=0, description="Seconds after which an unrenewed answer is sealed.")
    watchdog: float = Field(default=1, gt=0, description="Seconds after which a silent stream looks into the store.")
    follower_queue: int = Field(default=256, gt=0, description="Live chunks kept for a slow reader.")
