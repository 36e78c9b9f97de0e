"""The settings of the messages service."""

from __future__ import annotations

from typing import Any

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def _installations_key(maker: str) -> Any:
    return Field(
        default=None,
        description=f"The installation's key for {maker}'s models, for people who have stored none of their own.",
    )


class MessagesSettings(BaseSettings):
    """From the environment, `LLMCHAT_…`, checked at start-up. What is empty is left out."""

    model_config = SettingsConfigDict(env_prefix="LLMCHAT_", extra="ignore", env_ignore_empty=True)

    echo_tokens_per_second: float = Field(default=50, ge=0, description="Pace of the echo model; 0: as fast as it can.")
    anthropic_api_key: SecretStr | None = _installations_key("Anthropic")
    openai_api_key: SecretStr | None = _installations_key("OpenAI")
    google_api_key: SecretStr | None = _installations_key("Google")
    anthropic_base_url: str | None = Field(
        default=None, description="Another server that speaks Anthropic's protocol than Anthropic's own."
    )
    openai_base_url: str | None = Field(default=None, description="Another OpenAI-compatible server than OpenAI's own.")
    google_base_url: str | None = Field(
        default=None, description="Another server that speaks Gemini's protocol than Google's own."
    )
    ollama_base_url: str = Field(default="http://127.0.0.1:11434", description="Where Ollama is.")
    provider_timeout: float = Field(default=60, gt=0, description="Seconds that a provider may be silent.")
    provider_retries: int = Field(
        default=2,
        ge=0,
        description="How often a provider that fails in a way that may pass is asked again before an answer begins.",
    )
    chunk_linger: float = Field(
        default=0.003, ge=0, description="Seconds that tokens after the first may wait to be stored together."
    )
    lease_seconds: float = Field(default=10, gt=0, description="Seconds after which an unrenewed answer is sealed.")
    external_patience: float = Field(
        default=300,
        gt=0,
        description="Seconds that an answer may wait for who writes it outside, or for their next token.",
    )
    watchdog: float = Field(default=1, gt=0, description="Seconds after which a silent stream looks into the store.")
    follower_queue: int = Field(default=256, gt=0, description="Live chunks kept for a slow reader.")
