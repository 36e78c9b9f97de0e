"""What the threads service holds of a person."""

from __future__ import annotations

from libs.common.personal_data.declaration import ByUser
from services.threads.collections import THREADS

# A change only ever moves a thread towards the end.
PERSONAL_DATA = (ByUser(THREADS, order="changed_at"),)
