"""What the users service stores."""

from __future__ import annotations

from llmchat.access.v1.access_service_pb2 import Revocation
from llmchat.users.stored.v1.session_pb2 import AccessKeyRecord, IdentityRecord, LoginAttempts, SessionRecord
from llmchat.users.stored.v1.user_pb2 import UsageRecord, UsernameRecord, UserRecord

from libs.common.store.port import CollectionSpec, Index

USERS = CollectionSpec("users", UserRecord, "user", (Index((), "created_at"),))
USERNAMES = CollectionSpec("usernames", UsernameRecord)
IDENTITIES = CollectionSpec("identities", IdentityRecord, indexes=(Index(("user_id",), "created_at"),))
# Not in the journal, since every answer moves them.
USAGES = CollectionSpec("usages", UsageRecord, journaled=False)
# Not in the journal: who was signed in is nothing to restore.
SESSIONS = CollectionSpec(
    "sessions",
    SessionRecord,
    "session",
    (Index(("user_id",), "created_at"), Index((), "expires_at")),
    journaled=False,
)
# Nor these: a key that was revoked must not come back, and each is written with every minute of its use.
ACCESS_KEYS = CollectionSpec(
    "access_keys", AccessKeyRecord, "key", (Index(("user_id",), "created_at"),), journaled=False
)
LOGIN_ATTEMPTS = CollectionSpec("login_attempts", LoginAttempts, indexes=(Index((), "expires_at"),), journaled=False)
REVOCATIONS = CollectionSpec(
    "revocations", Revocation, indexes=(Index((), "revoked_at"), Index((), "expires_at")), journaled=False
)

COLLECTIONS = (USERS, USERNAMES, USAGES, IDENTITIES, SESSIONS, ACCESS_KEYS, LOGIN_ATTEMPTS, REVOCATIONS)
