"""What the users service stores."""

from __future__ import annotations

from llmchat.users.stored.v1.user_pb2 import UsernameRecord, UserRecord

from libs.common.store.port import CollectionSpec

USERS = CollectionSpec("users", UserRecord, "user")
USERNAMES = CollectionSpec("usernames", UsernameRecord)

COLLECTIONS = (USERS, USERNAMES)
