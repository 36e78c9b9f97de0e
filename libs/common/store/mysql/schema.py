"""Brings a database to what is declared. Processes that open at the same time take turns, by a lock of the server's.

MySQL keeps each such statement by itself, so a process may end in the middle: a column may be NULL until every row has
its value, which tells the next one where to go on.
"""

# Names are quoted and values are written by `literal`.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Iterable
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


async def prepare(connection: Connection, database: str, tables: Iterable[Table]) -> None:
    """Makes the database, tables, columns and indexes that are missing, fills new columns, drops what is not declared.

    Raises:
        asyncmy.errors.MySQLError: as the server does.
        TimeoutError: another process does not end doing the same.
    """
    name = literal(f"llmchat.{blake2b(database.encode(), digest_size=16).hexdigest()}")
    [[(taken,)]] = await run(connection, f"SELECT GET_LOCK(CONVERT({name} USING utf8mb4), {_PATIENCE})")
    if not taken:
        raise TimeoutError
    sql = f"SELECT 1 FROM information_schema.schemata WHERE schema_name = CONVERT({literal(database)} USING utf8mb4)"
    if not (await run(connection, sql))[0]:
        await run(connection, f"CREATE DATABASE {DIALECT.quoted(database)}")
    for statement in commits.prepared(database):
        await run(connection, statement)
    for table in tables:
        await run(connection, table.create)
        await _bring_up(connection, database, table)


async def _bring_up(connection: Connection, database: str, table: Table) -> None:
    declared, keys, indexes = table.columns(), table.key_columns(), table.indexes()
    place = (
        f"table_schema = CONVERT({literal(database)} USING utf8mb4) "
        f"AND table_name = CONVERT({literal(table.spec.name)} USING utf8mb4)"
    )
    columns, named = await run(
        connection,
        f"SELECT column_name, is_nullable, extra FROM information_schema.columns WHERE {place}",
        f"SELECT DISTINCT index_name FROM information_schema.statistics WHERE {place} AND index_name <> 'PRIMARY'",
    )
    there = {name: (nullable == "YES", "GENERATED" in extra.upper()) for name, nullable, extra in columns}
    for name in ("id", "revision", "body"):
        del there[name]
    indexed = {name for (name,) in named}
    alter = f"ALTER TABLE {table.name}"
    for name in indexed - indexes.keys():
        await run(connection, f"{alter} DROP INDEX {table.quoted(name)}")
    dropped = there.keys() - declared.keys() - keys.keys()
    for name in sorted(dropped, key=lambda name: not there[name][1]):  # first what is made of others
        await run(connection, f"{alter} DROP COLUMN {table.quoted(name)}")
    for name in declared.keys() - there.keys():
        await run(connection, f"{alter} ADD COLUMN {table.quoted(name)} {declared[name]} NULL")
    unfilled = [name for name in declared if there.get(name, (True, False))[0]]
    if table.postings is not None:
        await run(connection, table.create_words)
    elif any(name.startswith("words ") for name in dropped):
        await run(connection, f"DROP TABLE IF EXISTS {table.words}")
    if unfilled:
        await _fill(connection, table)
    for name in unfilled:
        await run(connection, f"{alter} MODIFY COLUMN {table.quoted(name)} {declared[name]} NOT NULL")
    for name in keys.keys() - there.keys():
        await run(connection, f"{alter} ADD COLUMN {table.quoted(name)} {keys[name]}")
    for name in indexes.keys() - indexed:
        await run(connection, indexes[name])


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
