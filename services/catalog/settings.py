"""The settings of the catalog service."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class CatalogSettings(BaseSettings):
    """From the environment, `LLMCHAT_…`, checked at start-up."""

    model_config = SettingsConfigDict(env_prefix="LLMCHAT_", extra="ignore")

    health_interval: float = Field(
        default=30,
        ge=0,
        description="Seconds between checks of the makers of models that there is a key for; 0: never.",
    )
    models_watchdog: float = Field(
        default=5, gt=0, description="Seconds after which a watch of models looks for what no hint told."
    )
