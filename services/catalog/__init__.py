"""The models that conversations can be held with, and how their makers are doing.

Owns `models_config` and `provider_health`. Emits `model.deprecated`, `audit.recorded` and `calls.counted`; consumes
no events.
"""
