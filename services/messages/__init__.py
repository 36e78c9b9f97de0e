"""Messages and the generation of answers.

Owns `messages`, `message_chunks` (the tokens of running generations) and `conversations` (whose turn it is in a
thread, and whether the thread is gone). Emits `generation.finished`, `user.data_removed` and `calls.counted`.
Consumes `thread.deleted` and `user.deleted`.
"""
