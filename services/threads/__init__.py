"""Conversations: titles, settings, and what each model has contributed.

Owns `threads`. Emits `thread.deleted` and `thread.title_wanted`; consumes `generation.finished`.
"""
