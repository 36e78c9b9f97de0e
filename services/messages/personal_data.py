"""What the messages service holds of a person.

The tokens of an answer that is being generated are not in it yet.
"""

from __future__ import annotations

from libs.common.personal_data.declaration import Below, ByUser
from services.messages.collections import CONVERSATIONS, MESSAGES, SUMMARIES

_CONVERSATIONS = ByUser(CONVERSATIONS, order="id")

PERSONAL_DATA = (
    _CONVERSATIONS,
    Below(_CONVERSATIONS, MESSAGES, field="thread_id", order="position"),
    ByUser(SUMMARIES, order="id"),
)
