"""Accounts: profiles, passwords, settings and sign-in.

Owns `users` and `usernames` (which makes a name unique), `usages` (what people have used), `identities` (sign-ins by
OpenID Connect), `sessions`, `access_keys`, `login_attempts` (failures, by name and by address) and `revocations`. Emits
`user.created`, `user.deleted`, `user.deletion_advanced`, `audit.recorded` and `calls.counted`; consumes
`model.deprecated`, `thread.created`, `generation.counted` and `messages.imported`.
"""
