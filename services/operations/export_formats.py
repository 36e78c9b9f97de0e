"""The forms in which a person's documents are written out: whole lines, in UTF-8."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from typing import Any

from llmchat.personal_data.v1.personal_data_service_pb2 import PersonalDocument

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class JsonLines:
    """A JSON object per line, which a line feed ends: service, collection, id, document."""

    head = b""

    def lines(self, service: str, document: PersonalDocument) -> Iterator[bytes]:
        """The one line of a document."""
        place = {"service": service, "collection": document.collection, "id": document.id}
        # The document is JSON already: it goes in as it is.
        yield f'{_json(place)[:-1]},"document":{document.json}}}\n'.encode()


class CsvRows:
    """RFC 4180, with a row per value: service, collection, id, field, value.

    A field is a path: `settings.theme`, `tokens[0]`, `models["gpt-4.1"]`. What is no text, such as a number or an empty
    array, is in its JSON form.
    """

    def __init__(self) -> None:
        self._writer = csv.writer(_Returning())
        self.head = self._row("service", "collection", "id", "field", "value")

    def lines(self, service: str, document: PersonalDocument) -> Iterator[bytes]:
        """The rows of a document."""
        for field, value in _values("", json.loads(document.json)):
            text = value if isinstance(value, str) else _json(value)
            yield self._row(service, document.collection, document.id, field, text)

    def _row(self, *columns: str) -> bytes:
        # What the writer's file returns is what the writer returns.
        row: Any = self._writer.writerow(columns)
        return str(row).encode()


class _Returning:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def _values(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Every value within `value` that holds no other, with its path."""
    if isinstance(value, dict) and value:
        for key, kept in value.items():
            yield from _values(_named(path, key), kept)
    elif isinstance(value, list) and value:
        for place, kept in enumerate(value):
            yield from _values(f"{path}[{place}]", kept)
    else:
        yield path, value


def _named(path: str, key: str) -> str:
    if not _PLAIN.fullmatch(key):
        return f"{path}[{_json(key)}]"
    return f"{path}.{key}" if path else key


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
