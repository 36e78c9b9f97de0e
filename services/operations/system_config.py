"""The system configuration: one document."""

from __future__ import annotations

from llmchat.operations.v1.operations_service_pb2 import UpdateSystemConfigRequest
from llmchat.operations.v1.system_config_pb2 import SystemConfig

from libs.common.context import Call


class SystemConfigs:
    """Reads and changes it."""

    async def read(self) -> SystemConfig:
        raise NotImplementedError

    async def update(self, call: Call, request: UpdateSystemConfigRequest) -> SystemConfig:
        raise NotImplementedError
