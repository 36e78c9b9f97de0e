"""The settings of the operations service."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class OperationsSettings(BaseSettings):
    """From the environment, `LLMCHAT_…`, checked at start-up."""

    model_config = SettingsConfigDict(env_prefix="LLMCHAT_", extra="ignore")

    operation_timeout: float = Field(default=60, gt=0, description="Seconds that an operation has, retries included.")
    operation_retries: int = Field(default=5, ge=0, description="Times that an operation is tried again.")
    operation_retry_delay: float = Field(default=1, gt=0, description="Seconds before the first retry, then doubled.")
    operation_concurrency: int = Field(default=4, gt=0, le=100, description="Operations that a process runs at once.")
    operation_lease: float = Field(default=15, gt=0, description="Seconds after which a silent worker counts as dead.")
    operation_interval: float = Field(default=1, gt=0, description="Seconds between looks for operations that are due.")
    operation_watchdog: float = Field(default=1, gt=0, description="Seconds after which a silent watch is read anew.")
