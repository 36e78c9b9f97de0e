"""The settings of the threads service."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ThreadsSettings(BaseSettings):
    """From the environment, `LLMCHAT_…`, checked at start-up."""

    model_config = SettingsConfigDict(env_prefix="LLMCHAT_", extra="ignore")

    threads_watchdog: float = Field(
        default=5, gt=0, description="Seconds after which a watch of threads looks for what no hint told."
    )
    thread_expiry: float = Field(
        default=30, gt=0, description="Seconds between looks for temporary threads whose time has come."
    )
