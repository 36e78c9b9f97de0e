"""Work that takes longer than a call: kept as documents, carried out by workers, followed by streams.

Owns `operations`, `unended_operations` (what is under way, by what it is about), `system` (the totals of what deleted
people had), `stats` and `day_counts` (what there is and what was done), `system_config` (what the installation goes by)
and `audit_logs` (what was done that is sensitive). Emits `audit.recorded` and `calls.counted`; consumes both, its own
included, and `thread.title_wanted`, `summary.wanted`, `thread.created`, `thread.deleted`, `user.created`,
`user.deleted`, `user.deletion_advanced`, `user.data_removed`, `generation.counted`, `messages.imported`,
`messages.removed` and `model.deprecated`.
"""
