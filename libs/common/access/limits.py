"""How much callers may ask and have: the limits of the system configuration, and who has used how much of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from llmchat.operations.v1.system_config_pb2 import SystemLimits

from libs.common.context import Caller


class CountedLimits:
    """A `rpc.interceptors.limits.Limits`. `current` are the limits in force, for services' own rules, too."""

    def __init__(self, initial: SystemLimits) -> None:
        self.current = initial

    async def admit(self, caller: Caller, address: str) -> None:
        """See `Limits.admit`."""

    @asynccontextmanager
    async def stream(self, caller: Caller, address: str) -> AsyncIterator[None]:
        """See `Limits.stream`."""
        yield
