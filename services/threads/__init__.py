"""Conversations: titles, settings, and what each model has contributed.

Owns `threads`. Emits `thread.created`, `thread.deleted`, `thread.title_wanted`, `user.data_removed` and
`calls.counted`; consumes `generation.finished`, `thread.summarized`, `user.deleted` and
`model.deprecated`.
"""
