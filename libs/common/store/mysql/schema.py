"""Brings a database to what is declared. Processes that open at the same time take turns, by a lock of the server's.

MySQL keeps each such statement by itself, so a process may end in the middle: a column may be NULL until every row has
its value, which tells the next one where to go on.
"""

# Names are quoted and values are written by `literal`.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from asyncmy.connection import Connection

from libs.common.store.mysql import commits
from libs.common.store.mysql.connections import run
from libs.common.store.mysql.tables import DIALECT, Table, filled, literal
from libs.common.store.port import Query
from libs.common.store.sql.plan import refilled

_PAGE = 500  # documents that are filled by one statement
_PATIENCE = 60  # seconds: another process may be filling a new index


async def prepare(connection: Connection, database: str, tables: Sequence[Table]) -> None:
    """Makes the database, tables, columns and indexes that are missing, fills new columns, drops what is not declared.

    Raises:
        asyncmy.errors.MySQLError: as the server does.
        TimeoutError: another process does not end doing the same.
    """
    lock = _text(f"llmchat.{blake2b(database.encode(), digest_size=16).hexdigest()}")
    [[(taken,)]] = await run(connection, f"SELECT GET_LOCK({lock}, {_PATIENCE})")
    if not taken:
        raise TimeoutError
    await _bring_all_up(connection, database, tables)
    # By word: a connection may close later than its process looks at it.
    await run(connection, f"DO RELEASE_LOCK({lock})")


async def _bring_all_up(connection: Connection, database: str, tables: Sequence[Table]) -> None:
    schemata = f"SELECT 1 FROM information_schema.schemata WHERE schema_name = {_text(database)}"
    if not (await run(connection, schemata))[0]:
        await run(connection, f"CREATE DATABASE {DIALECT.quoted(database)}")
    named = f"SELECT table_name FROM information_schema.tables WHERE table_schema = {_text(database)}"
    there = {name for (name,) in (await run(connection, named))[0]}
    await commits.prepare(connection, database, there)
    for table in tables:
        name, words = table.spec.name, f"{table.spec.name}.words"
        if table.postings is not None and words not in there:
            await run(connection, table.create_words)
        if name in there:
            await _bring_up(connection, database, table)
        else:
            await run(connection, table.create)
        if table.postings is None and words in there:
            await run(connection, f"DROP TABLE {table.words}")


async def _bring_up(connection: Connection, database: str, table: Table) -> None:
    """Brings a table that is there to what is declared: what is not any more goes, what is new comes and is filled."""
    declared, keys, indexes = table.columns(), table.key_columns(), table.index_definitions()
    place = f"table_schema = {_text(database)} AND table_name = {_text(table.spec.name)}"
    columns, named = await run(
        connection,
        f"SELECT column_name, is_nullable = 'YES' FROM information_schema.columns WHERE {place}",
        f"SELECT DISTINCT index_name FROM information_schema.statistics WHERE {place} AND index_name <> 'PRIMARY'",
    )
    is_empty = {name: bool(nullable) for name, nullable in columns if name not in ("id", "revision", "body")}
    indexed = {name for (name,) in named}
    dropped = is_empty.keys() - declared.keys() - keys.keys()
    unfilled = [name for name in declared if is_empty.get(name, True)]
    await _alter(connection, table, [f"DROP INDEX {table.quoted(name)}" for name in indexed - indexes.keys()])
    # First what the server makes of others.
    for ends in (True, False):
        drops = [f"DROP COLUMN {table.quoted(name)}" for name in dropped if name.endswith(" key") is ends]
        await _alter(connection, table, drops)
    added = [name for name in unfilled if name not in is_empty]
    await _alter(connection, table, [f"ADD COLUMN {table.quoted(name)} {declared[name]} NULL" for name in added])
    if unfilled:
        await _fill(connection, table)
    await _alter(
        connection,
        table,
        [f"MODIFY COLUMN {table.quoted(name)} {declared[name]} NOT NULL" for name in unfilled],
    )
    await _alter(
        connection,
        table,
        [f"ADD COLUMN {table.quoted(name)} {keys[name]}" for name in keys if name not in is_empty]
        + [f"ADD {definition}" for name, definition in indexes.items() if name not in indexed],
    )


async def _alter(connection: Connection, table: Table, changes: Sequence[str]) -> None:
    if changes:
        await run(connection, f"ALTER TABLE {table.name} {', '.join(changes)}")


async def _fill(connection: Connection, table: Table) -> None:
    """Writes every document's columns and postings anew from its message."""
    last: str | None = None
    while True:
        query: Query[Any] = Query.by_id(table.spec, after=last, limit=_PAGE)
        (rows,) = await run(connection, filled(*table.selected(query)))
        if not rows:
            return
        read = [(id.decode(), revision, body) for id, revision, body in rows]
        anew = [f"DELETE FROM {table.words} WHERE id IN ({', '.join(literal(id) for id, _, _ in read)})"]
        for statement in [*(anew if table.postings else []), *table.written(refilled(table, read))]:
            await run(connection, statement)
        last = read[-1][0]


def _text(value: str) -> str:
    return f"CONVERT({literal(value)} USING utf8mb4)"
