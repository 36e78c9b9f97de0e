"""Accounts: profiles, passwords, settings and sign-in.

Owns `users` and `usernames` (which makes a name unique). Emits `user.deleted` and `user.deletion_advanced`; consumes
`model.deprecated`.
"""
