"""Work that takes longer than a call: kept as documents, carried out by workers, followed by streams.

Owns `operations` and `system` (the totals of what deleted people had). Emits nothing; consumes `thread.title_wanted`,
`thread.deleted`, `user.deleted`, `user.deletion_advanced` and `user.data_removed`.
"""
