"""Accounts: profiles, passwords, settings and sign-in.

Owns `users` and `usernames` (which makes a name unique), `identities` (sign-ins by OpenID Connect), `sessions`,
`access_keys`, `login_attempts` (failures, by name and by address) and `revocations`. Emits `user.deleted`,
`user.deletion_advanced` and `audit.recorded`; consumes `model.deprecated`.
"""
