"""What the operations service holds of a person."""

from __future__ import annotations

from libs.common.personal_data.declaration import ByUser
from services.operations.collections import AUDIT_LOGS, OPERATIONS, UNENDED_OPERATIONS

PERSONAL_DATA = (
    ByUser(OPERATIONS, order="created_at"),
    ByUser(UNENDED_OPERATIONS, order="id"),
    ByUser(AUDIT_LOGS, order="at"),
)
