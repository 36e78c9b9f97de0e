"""Conversations: titles, settings, and what each model has contributed.

Owns `threads`, `shares` (which thread a token shows) and `temporary_threads` (when one goes). Emits `thread.created`,
`thread.deleted`, `thread.title_wanted`, `user.data_removed`, `audit.recorded` and `calls.counted`; consumes
`generation.finished`, `messages.imported`, `messages.removed`, `thread.summarized`, `user.deleted` and
`model.deprecated`.
"""
