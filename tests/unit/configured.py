"""The system configuration where nobody has changed anything, and there is no catalog to ask."""

from __future__ import annotations

from typing import Any, cast

from llmchat.operations.v1.system_config_pb2 import SystemLimits

from libs.common.access.initial_config import initial_config
from libs.common.access.limits import CountedLimits
from libs.common.access.live_config import LiveConfig
from libs.common.documents.documents import Documents
from libs.common.events.in_process_bus import InProcessBus
from libs.common.events.outbox import Outbox
from services.operations.system_config import SystemConfigs


def live_config() -> LiveConfig:
    """As a process has it that has heard of nothing; without limits."""
    return LiveConfig(initial_config(SystemLimits()), CountedLimits(SystemLimits()))


def system_configs(documents: Documents) -> SystemConfigs:
    """As the operations service has it over `documents`."""
    bus = InProcessBus()
    outbox = Outbox("operations", documents, bus, replica="me")
    return SystemConfigs(documents, outbox, bus, live_config(), cast(Any, None))
