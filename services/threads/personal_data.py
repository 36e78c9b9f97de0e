"""What the threads service holds of a person."""

from __future__ import annotations

from libs.common.personal_data.declaration import ByUser
from services.threads.collections import THREADS

# A thread's activity only ever moves it towards the end.
PERSONAL_DATA = (ByUser(THREADS, order="updated_at"),)
