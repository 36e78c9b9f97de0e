"""The system configuration as a process goes by it: see `libs.common.access.config_feed` for how it keeps up."""

from __future__ import annotations

from llmchat.operations.v1.system_config_pb2 import SystemConfig

from libs.common.access.limits import CountedLimits


class LiveConfig:
    """`current` is what is in force: to be read anew at every use, and never changed in place."""

    def __init__(self, initial: SystemConfig, limits: CountedLimits) -> None:
        self._limits = limits
        self.apply(initial)

    def apply(self, config: SystemConfig) -> None:
        """Goes by `config` from now on, and its limits with it."""
        self.current = config
        self._limits.apply(config.limits)
