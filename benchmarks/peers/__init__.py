"""What engineers would otherwise keep conversations in: each in this process, over SQLite, with nothing before it.

All on the terms of our own store: WAL and `synchronous=FULL`. They serve one session after the other, which is their
best: SQLite lets one of them write at a time.
"""
