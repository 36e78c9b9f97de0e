"""The models that conversations can be held with.

Owns `models_config`. Emits `model.deprecated` and `audit.recorded`; consumes no events.
"""
