"""The engines that are served, by their names."""

from __future__ import annotations

from tests.engines.engine import Engine
from tests.engines.mongodb import MONGODB

# In the order of the documentation.
_SERVED: tuple[Engine, ...] = (MONGODB,)
SERVED = {engine.name: engine for engine in _SERVED}
