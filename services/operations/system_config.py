"""The system configuration: one document, in force in every process within seconds of its change."""

from __future__ import annotations

from llmchat.operations.v1.operations_service_pb2 import UpdateSystemConfigRequest
from llmchat.operations.v1.system_config_pb2 import SystemConfig

from libs.common.access.config_feed import CHANNEL
from libs.common.access.limits import CountedLimits
from libs.common.audit import audit
from libs.common.clock import timestamp
from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.documents.masks import apply_mask
from libs.common.documents.unit import Unit, require_etag
from libs.common.events.bus import Bus
from libs.common.events.outbox import Outbox
from services.operations.collections import SYSTEM_CONFIG

_ID = "system_config"
_CHANGEABLE = ("limits",)


class SystemConfigs:
    """Reads and changes it; `limits` are those that this process goes by."""

    def __init__(self, documents: Documents, outbox: Outbox, bus: Bus, limits: CountedLimits) -> None:
        self._documents = documents
        self._outbox = outbox
        self._bus = bus
        self._limits = limits

    async def load(self) -> None:
        """Goes by what is stored; a new installation begins with what this process was started with."""

        async def begin(unit: Unit) -> SystemConfig:
            config = await unit.find(SYSTEM_CONFIG, _ID)
            if config is None:
                now = timestamp(unit.now)
                config = SystemConfig(id=_ID, limits=self._limits.current, created_at=now, updated_at=now)
                unit.create(SYSTEM_CONFIG, config)
            return config

        self._limits.apply((await self._documents.unit(begin)).limits)

    async def read(self) -> SystemConfig:
        """The configuration in force."""
        return await self._documents.get(SYSTEM_CONFIG, _ID)

    async def update(self, call: Call, request: UpdateSystemConfigRequest) -> SystemConfig:
        """Changes what the mask names: in force here when this returns, elsewhere as soon as they hear of it.

        Raises:
            Stale: the configuration has moved since the given etag.
            Invalid: the mask names what cannot be changed.
        """

        async def change(unit: Unit) -> SystemConfig:
            config = await unit.get(SYSTEM_CONFIG, _ID)
            require_etag(config, request.system_config.etag)
            apply_mask(request.update_mask, request.system_config, config, _CHANGEABLE)
            config.updated_at.CopyFrom(timestamp(unit.now))
            unit.put(SYSTEM_CONFIG, config)
            paths = tuple(request.update_mask.paths)
            audit(unit, self._outbox, "system_config.update", "system_config", _ID, changed_fields=paths)
            unit.then(lambda: self._tell(config))
            return config

        return await self._documents.once(call, request, SystemConfig, change)

    def _tell(self, config: SystemConfig) -> None:
        self._limits.apply(config.limits)
        self._bus.publish(CHANNEL, b"")
