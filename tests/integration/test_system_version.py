"""What runs here, told to anybody."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from grpc import aio
from llmchat.operations.v1.operations_service_pb2 import GetSystemVersionRequest
from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceStub
from llmchat.operations.v1.system_version_pb2 import (
    ENVIRONMENT_DEVELOPMENT,
    ENVIRONMENT_PRODUCTION,
    SystemVersion,
)
from pydantic import ValidationError

from libs.common.documents.system import SCHEMA_VERSION
from libs.common.settings import Settings
from tests.integration.conftest import House, open_house


async def version_of(house: House) -> SystemVersion:
    """As nobody in particular."""
    async with aio.insecure_channel(house.address) as channel:
        return await OperationsServiceStub(channel).GetSystemVersion(GetSystemVersionRequest())


async def test_the_package_says_its_version_and_a_build_without_a_word_is_one_of_development(house: House) -> None:
    version = await version_of(house)
    assert version.application.count(".") == 2
    assert (version.schema, version.environment) == (SCHEMA_VERSION, ENVIRONMENT_DEVELOPMENT)
    assert version.git_commit == ""
    assert not version.HasField("build_time")


async def test_a_build_says_when_and_from_what_it_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMCHAT_BUILD_TIME", "2027-01-31T12:00:00Z")
    monkeypatch.setenv("LLMCHAT_GIT_COMMIT", "0123abc")
    monkeypatch.setenv("LLMCHAT_ENVIRONMENT", "production")
    async with open_house(tmp_path) as house:
        version = await version_of(house)
    assert version.build_time.ToDatetime(UTC) == datetime(2027, 1, 31, 12, tzinfo=UTC)
    assert (version.git_commit, version.environment) == ("0123abc", ENVIRONMENT_PRODUCTION)


@pytest.mark.parametrize("setting", ["BUILD_TIME", "ENVIRONMENT"])
def test_what_is_none_of_these_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    monkeypatch.setenv(f"LLMCHAT_{setting}", "yesterday")
    with pytest.raises(ValidationError, match=setting.lower()):
        Settings()
