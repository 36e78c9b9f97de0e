"""What a service's SQLite file holds, read past every line of the code under test."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def tables(folder: Path, service: str) -> dict[str, dict[str, int]]:
    """The revision of every document, by table and id."""
    with closing(_connect(folder, service)) as connection:
        names = _collections(connection)
        return {name: dict(connection.execute(f'SELECT id, revision FROM "{name}"')) for name in names}  # noqa: S608


def bodies(folder: Path, service: str, table: str) -> list[bytes]:
    """The documents of a table, in proto bytes."""
    with closing(_connect(folder, service)) as connection:
        return [body for (body,) in connection.execute(f'SELECT body FROM "{table}" ORDER BY id')]  # noqa: S608


def holding(folder: Path, service: str, word: str) -> list[str]:
    """`table id` of every document that holds `word`."""
    with closing(_connect(folder, service)) as connection:
        names = _collections(connection)
        rows = [(name, connection.execute(f'SELECT id, body FROM "{name}"').fetchall()) for name in names]  # noqa: S608
    return [f"{name} {id}" for name, found in rows for id, body in found if word.encode() in body]


def _collections(connection: sqlite3.Connection) -> list[str]:
    """The tables of documents: those of words that can be searched for hold none."""
    columns = "SELECT count(*) FROM pragma_table_info(tables.name) WHERE name IN ('id', 'revision', 'body')"
    query = f"SELECT name FROM sqlite_schema AS tables WHERE type = 'table' AND ({columns}) = 3"  # noqa: S608
    return [name for (name,) in connection.execute(query)]


def _connect(folder: Path, service: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{folder / service}.db?mode=ro", uri=True)
