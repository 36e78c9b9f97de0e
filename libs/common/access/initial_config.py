"""What a new installation begins with, and what a configuration of before has yet to say."""

from __future__ import annotations

from llmchat.operations.v1.system_config_pb2 import SystemConfig, SystemDefaults, SystemFeatures, SystemLimits

DEFAULT_MODEL = "claude-3.5-sonnet"
DEFAULT_TEMPERATURE = 0.7
DEFAULT_SYSTEM_PROMPT = "You are a helpful AI assistant."


def initial_config(limits: SystemLimits) -> SystemConfig:
    """The configuration of an installation in which nobody has changed anything, with these limits."""
    config = SystemConfig(limits=limits)
    fill_in(config)
    return config


def fill_in(config: SystemConfig) -> None:
    """Gives `config` what it does not say. A system prompt that is said to be empty stays empty."""
    if not config.HasField("features"):
        config.features.CopyFrom(initial_features())
    if not config.HasField("defaults"):
        config.defaults.CopyFrom(SystemDefaults(system_prompt=DEFAULT_SYSTEM_PROMPT))
    if not config.defaults.HasField("temperature"):
        config.defaults.temperature = DEFAULT_TEMPERATURE
    if not config.defaults.model:
        config.defaults.model = DEFAULT_MODEL


def initial_features() -> SystemFeatures:
    """All of them."""
    return SystemFeatures(user_registration=True, model_loading=True, streaming=True, summarization=True)
