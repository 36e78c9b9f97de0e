"""The URL of a Firestore database: `firestore://PROJECT/DATABASE?emulator=HOST:PORT`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from libs.common.errors import Invalid

EMULATOR = "FIRESTORE_EMULATOR_HOST"
_DEFAULT = "(default)"


@dataclass(frozen=True, slots=True)
class Address:
    """A database of a project, and the emulator that has it; "" is Google's own."""

    project: str
    database: str
    emulator: str = ""

    @classmethod
    def of(cls, url: str) -> Address:
        """Takes a URL apart; without a database it is `(default)`, without an emulator the environment's, if any.

        Raises:
            Invalid: it names no project, or says what is not known.
        """
        parts = urlsplit(url)
        project, database = unquote(parts.netloc), unquote(parts.path).strip("/")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        emulator = options.pop("emulator", os.environ.get(EMULATOR, ""))
        if not project or "@" in project or "/" in database or options or parts.fragment:
            raise Invalid("a Firestore URL is firestore://PROJECT/DATABASE?emulator=HOST:PORT", reason="UNKNOWN_STORE")
        return cls(project, database or _DEFAULT, emulator)

    @property
    def name(self) -> str:
        """The database's name in Google's APIs."""
        return f"projects/{self.project}/databases/{self.database}"

    @property
    def documents(self) -> str:
        """What the names of all documents begin with."""
        return f"{self.name}/documents"

    def __str__(self) -> str:
        return f"firestore://{self.project}/{self.database}"
