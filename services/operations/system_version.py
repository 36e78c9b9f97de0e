"""What runs here."""

from __future__ import annotations

from importlib import metadata

from llmchat.operations.v1.system_version_pb2 import SystemVersion

from libs.common.clock import timestamp
from libs.common.documents.system import SCHEMA_VERSION
from libs.common.settings import Settings


def read_version(settings: Settings) -> SystemVersion:
    """The package's version, the schema's, and what the build said of itself."""
    version = SystemVersion(
        application=metadata.version("llmchat"),
        schema=SCHEMA_VERSION,
        git_commit=settings.git_commit,
        environment=f"ENVIRONMENT_{settings.environment.upper()}",
    )
    if settings.build_time is not None:
        version.build_time.CopyFrom(timestamp(int(settings.build_time.timestamp() * 1000)))
    return version
