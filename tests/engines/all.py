"""The engines that are served, by their names."""

from __future__ import annotations

from tests.engines.engine import Engine
from tests.engines.firestore import FIRESTORE
from tests.engines.mongodb import MONGODB
from tests.engines.mysql import MYSQL
from tests.engines.postgres import POSTGRES
from tests.engines.rtdb import RTDB

# In the order of the documentation.
_SERVED: tuple[Engine, ...] = (POSTGRES, MYSQL, MONGODB, RTDB, FIRESTORE)
SERVED = {engine.name: engine for engine in _SERVED}
