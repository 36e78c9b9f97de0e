"""Accounts: profiles, passwords, settings and sign-in.

Owns `users` and `usernames` (which makes a name unique). Emits and consumes no events.
"""
