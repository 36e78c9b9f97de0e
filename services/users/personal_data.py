"""What the users service holds of a person.

Left out is what makes a username unique, since the account says as much, and what soon expires: failed logins, by name
and address, and the moments from which access was refused.
"""

from __future__ import annotations

from libs.common.personal_data.declaration import ByUser, UnderOwnId
from services.users.collections import ACCESS_KEYS, IDENTITIES, SESSIONS, USAGES, USERS

PERSONAL_DATA = (
    UnderOwnId(USERS),
    UnderOwnId(USAGES),
    ByUser(IDENTITIES, order="created_at"),
    ByUser(SESSIONS, order="created_at"),
    ByUser(ACCESS_KEYS, order="created_at"),
)
