"""What the users service's documents refer to."""

from __future__ import annotations

from libs.common.integrity.references import KindSpec, References, ReferenceSpec
from services.users.collections import ACCESS_KEYS, IDENTITIES, SESSIONS, USAGES, USERNAMES, USERS
from services.users.user import username_id

REFERENCES = References(
    kinds=(KindSpec("user", USERS), KindSpec("username", USERNAMES)),
    references=(
        ReferenceSpec(USERS, "username", lambda user: (username_id(user.username),)),
        ReferenceSpec(USERNAMES, "user", lambda username: (username.user_id,)),
        ReferenceSpec(USAGES, "user", lambda usage: (usage.id,)),
        ReferenceSpec(IDENTITIES, "user", lambda identity: (identity.user_id,)),
        ReferenceSpec(SESSIONS, "user", lambda session: (session.user_id,)),
        ReferenceSpec(ACCESS_KEYS, "user", lambda key: (key.user_id,)),
    ),
)
