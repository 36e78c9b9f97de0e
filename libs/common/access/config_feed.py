"""How a process learns of changes of the system configuration: see `Feed`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmchat.operations.v1.operations_service_pb2 import GetSystemConfigRequest

from libs.common.access.limits import CountedLimits

if TYPE_CHECKING:
    from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceAsyncStub

CHANNEL = "system_config"


class FollowedConfig:
    """Keeps `limits` up to date with the system configuration."""

    what = "what the limits are"
    channel = CHANNEL

    def __init__(self, limits: CountedLimits, operations: OperationsServiceAsyncStub) -> None:
        self._limits = limits
        self._operations = operations

    def hear(self, hint: bytes) -> bool:
        """See `Followed.hear`: of two hints the older one may come last, so they hold nothing."""
        return False

    async def look(self) -> None:
        """See `Followed.look`."""
        config = await self._operations.GetSystemConfig(GetSystemConfigRequest())
        self._limits.apply(config.limits)
