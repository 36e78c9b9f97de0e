"""Conversations: titles, settings, and what each model has contributed.

Owns `threads`. Emits `thread.deleted`, `thread.title_wanted` and `user.data_removed`; consumes `generation.finished`,
`user.deleted` and `model.deprecated`.
"""
