"""The models that conversations can be held with.

Owns `models_config`. Emits and consumes no events.
"""
