"""Watching the models: those that are there, then each as it changes, on whichever replica."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator

from llmchat.catalog.v1.catalog_service_pb2 import ModelChange, ModelsSynced
from llmchat.catalog.v1.model_config_pb2 import ModelConfig

from libs.common.documents.documents import Documents
from libs.common.events.changes import EVERYTHING, Changes
from services.catalog.model import all_models
from services.catalog.shown import read_healths, shown


async def watch_models(documents: Documents, changes: Changes) -> AsyncGenerator[ModelChange, None]:
    """The models in display order, `synced`, then every model as it changes, and the id of one that is removed.

    Each is told once as it is, never older after newer. Quick changes may be told as the last of them, and that one
    always is. A catalog is small: whatever a hint says, all of it is looked at.

    Raises:
        Unavailable: this process is stopping: watch elsewhere.
    """
    told = _Told()
    async with changes.watch(EVERYTHING) as hints:
        await anext(hints)
        for change in told.news(await _models(documents)):
            yield change
        yield ModelChange(synced=ModelsSynced())
        async for _ in hints:
            for change in told.news(await _models(documents)):
                yield change


async def _models(documents: Documents) -> list[ModelConfig]:
    listed = [model for model in await all_models(documents) if not model.HasField("removed_at")]
    healths = await read_healths(documents)
    return sorted((shown(model, healths) for model in listed), key=lambda model: (model.ui.display_order, model.id))


class _Told:
    """What one watcher has been told, by which it finds what it has not."""

    def __init__(self) -> None:
        self._models: dict[str, bytes] = {}

    def news(self, models: list[ModelConfig]) -> Iterator[ModelChange]:
        """What of all models has not been told; it counts as told from then on."""
        for model in models:
            told = _without_figures(model)
            if self._models.get(model.id) != told:
                self._models[model.id] = told
                yield ModelChange(model=model)
        for id in self._models.keys() - {model.id for model in models}:
            del self._models[id]
            yield ModelChange(removed_id=id)


def _without_figures(model: ModelConfig) -> bytes:
    """The model without the figures that move with every check: those alone are no news."""
    lasting = ModelConfig()
    lasting.CopyFrom(model)
    lasting.status.ClearField("last_health_check")
    lasting.status.ClearField("response_time_ms")
    return lasting.SerializeToString(deterministic=True)
