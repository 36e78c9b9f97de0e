"""Messages and the generation of answers.

Owns `messages`, `message_chunks` (the tokens of running generations), `conversations` (whose turn it is in a thread,
what its branches are, and whether the thread is gone), `external_answers` (who writes which answer outside) and
`summaries` (of what a model's context has no room for). Emits `generation.finished`, `generation.counted`,
`messages.imported`, `messages.removed`, `message.removal_wanted`, `summary.wanted`, `thread.summarized`,
`user.data_removed` and `calls.counted`. Consumes `thread.deleted`, `user.deleted` and its own `message.removal_wanted`.
"""
