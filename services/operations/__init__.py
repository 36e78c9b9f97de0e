"""Work that takes longer than a call: kept as documents, carried out by workers, followed by streams.

Owns `operations`. Emits nothing; consumes `thread.title_wanted` and `thread.deleted`.
"""
