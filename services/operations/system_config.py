"""The system configuration: one document, in force in every process within seconds of its change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmchat.catalog.v1.catalog_service_pb2 import GetModelRequest
from llmchat.events.v1.events_pb2 import ModelDeprecated
from llmchat.operations.v1.operations_service_pb2 import UpdateSystemConfigRequest
from llmchat.operations.v1.system_config_pb2 import SystemConfig

from libs.common.access.config_feed import CHANNEL
from libs.common.access.initial_config import fill_in
from libs.common.access.live_config import LiveConfig
from libs.common.audit import audit
from libs.common.clock import timestamp
from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.documents.masks import apply_mask
from libs.common.documents.tombstones import bury, is_alive, living_successor
from libs.common.documents.unit import Unit, require_etag
from libs.common.errors import Invalid, NotFound, Precondition
from libs.common.events.bus import Bus
from libs.common.events.outbox import Outbox
from services.operations.collections import SYSTEM_CONFIG

if TYPE_CHECKING:
    from llmchat.catalog.v1.catalog_service_pb2_grpc import CatalogServiceAsyncStub

_ID = "system_config"
_CHANGEABLE = ("limits", "features", "defaults")
_MODEL = "defaults.model"


class SystemConfigs:
    """Reads and changes it; `live` is what this process goes by, `catalog` knows which models are in use."""

    def __init__(
        self, documents: Documents, outbox: Outbox, bus: Bus, live: LiveConfig, catalog: CatalogServiceAsyncStub
    ) -> None:
        self._documents = documents
        self._outbox = outbox
        self._bus = bus
        self._live = live
        self._catalog = catalog

    async def load(self) -> None:
        """Goes by what is stored; a new installation begins with what this process was started with.

        What a configuration of before does not say is added to it.
        """

        async def begin(unit: Unit) -> SystemConfig:
            config = await unit.find(SYSTEM_CONFIG, _ID)
            if config is None:
                now = timestamp(unit.now)
                config = SystemConfig(id=_ID, created_at=now, updated_at=now)
                config.MergeFrom(self._live.current)
                return unit.create(SYSTEM_CONFIG, config)
            stored = SystemConfig()
            stored.CopyFrom(config)
            fill_in(config)
            return config if config == stored else unit.put(SYSTEM_CONFIG, config)

        self._live.apply(await self._documents.unit(begin))

    async def read(self) -> SystemConfig:
        """The configuration in force."""
        return await self._documents.get(SYSTEM_CONFIG, _ID)

    async def update(self, call: Call, request: UpdateSystemConfigRequest) -> SystemConfig:
        """Changes what the mask names: in force here when this returns, elsewhere as soon as they hear of it.

        Raises:
            Stale: the configuration has moved since the given etag.
            Invalid: the mask names what cannot be changed, or the default model is not in the catalog.
            Precondition: the default model is not in use any more (reason MODEL_UNAVAILABLE).
        """
        names_model = not {"defaults", _MODEL}.isdisjoint(request.update_mask.paths)
        if names_model:
            await self._require_in_use(request.system_config.defaults.model)

        async def change(unit: Unit) -> SystemConfig:
            config = await unit.get(SYSTEM_CONFIG, _ID)
            require_etag(config, request.system_config.etag)
            apply_mask(request.update_mask, request.system_config, config, _CHANGEABLE)
            # One that the mask names without a value: nothing is allowed.
            config.features.SetInParent()
            fill_in(config)
            if names_model and not await is_alive(unit, "model", config.defaults.model):
                raise _not_in_use(config.defaults.model)
            config.updated_at.CopyFrom(timestamp(unit.now))
            unit.put(SYSTEM_CONFIG, config)
            paths = tuple(request.update_mask.paths)
            audit(unit, self._outbox, "system_config.update", "system_config", _ID, changed_fields=paths)
            unit.then(lambda: self._tell(config))
            return config

        return await self._documents.once(call, request, SystemConfig, change)

    async def leave_model(self, unit: Unit, event: ModelDeprecated) -> None:
        """Stages that the default model, where it is the one that is deprecated, gives way to what replaces it.

        It stays where nothing does: an administrator has to choose.
        """
        await bury(unit, "model", event.model_id, successor_id=event.replacement_id)
        config = await unit.get(SYSTEM_CONFIG, _ID)
        successor = await living_successor(unit, "model", config.defaults.model)
        if successor and successor != config.defaults.model:
            config.defaults.model = successor
            config.updated_at.CopyFrom(timestamp(unit.now))
            unit.put(SYSTEM_CONFIG, config)
            unit.then(lambda: self._tell(config))

    async def _require_in_use(self, model_id: str) -> None:
        if not model_id:
            return
        try:
            model = await self._catalog.GetModel(GetModelRequest(id=model_id))
        except NotFound:
            raise Invalid.field(f"system_config.{_MODEL}", f"there is no model {model_id!r}") from None
        if model.HasField("deprecated_at") or model.HasField("removed_at"):
            raise _not_in_use(model_id)

    def _tell(self, config: SystemConfig) -> None:
        self._live.apply(config)
        self._bus.publish(CHANNEL, b"")


def _not_in_use(model_id: str) -> Precondition:
    return Precondition(f"the model {model_id} is not in use any more", reason="MODEL_UNAVAILABLE")
