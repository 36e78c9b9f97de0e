"""The settings of the operations service."""

from __future__ import annotations

from llmchat.operations.v1 import operation_pb2
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class OperationsSettings(BaseSettings):
    """From the environment, `LLMCHAT_…`, checked at start-up."""

    model_config = SettingsConfigDict(env_prefix="LLMCHAT_", extra="ignore")

    operation_timeout: float = Field(default=60, gt=0, description="Seconds that an operation has, retries included.")
    operation_load_timeout: float = Field(
        default=3600, gt=0, description="The same of one that loads a model, which may have to be fetched first."
    )
    operation_migration_timeout: float = Field(
        default=86400, gt=0, description="The same of one that brings stored documents up to date."
    )
    operation_retries: int = Field(default=5, ge=0, description="Times that an operation is tried again.")
    operation_retry_delay: float = Field(default=1, gt=0, description="Seconds before the first retry, then doubled.")
    operation_concurrency: int = Field(default=4, gt=0, le=100, description="Operations that a process runs at once.")
    operations_per_user: int = Field(
        default=20, gt=0, description="Operations under way with which a person may ask for one more no longer."
    )
    operation_lease: float = Field(default=15, gt=0, description="Seconds after which a silent worker counts as dead.")
    operation_interval: float = Field(default=1, gt=0, description="Seconds between looks for operations that are due.")
    operation_watchdog: float = Field(default=1, gt=0, description="Seconds after which a silent watch is read anew.")

    def timeout_of(self, type: operation_pb2.OperationType) -> float:
        """Seconds that an operation of this type has, retries included."""
        match type:
            case operation_pb2.OPERATION_TYPE_LOAD_MODEL:
                return self.operation_load_timeout
            case operation_pb2.OPERATION_TYPE_MIGRATE_DATA:
                return self.operation_migration_timeout
        return self.operation_timeout
