"""How a process learns of changes of the system configuration: see `Feed`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmchat.operations.v1.operations_service_pb2 import GetSystemConfigRequest

from libs.common.access.live_config import LiveConfig

if TYPE_CHECKING:
    from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceAsyncStub

CHANNEL = "system_config"


class FollowedConfig:
    """Keeps `config` up to date with the system configuration."""

    what = "what the configuration is"
    channel = CHANNEL

    def __init__(self, config: LiveConfig, operations: OperationsServiceAsyncStub) -> None:
        self._config = config
        self._operations = operations

    def hear(self, hint: bytes) -> bool:
        """See `Followed.hear`: of two hints the older one may come last, so they hold nothing."""
        return False

    async def look(self) -> None:
        """See `Followed.look`."""
        self._config.apply(await self._operations.GetSystemConfig(GetSystemConfigRequest()))
