"""Brings a schema to what is declared: one transaction, which processes that open at the same time take in turns."""

# Names are quoted and values are parameters.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from psycopg import AsyncConnection

from libs.common.store.port import Query
from libs.common.store.postgres.fences import key_of
from libs.common.store.postgres.tables import DIALECT, Table
from libs.common.store.sql.plan import refilled

_PAGE = 500  # documents that are filled by one statement
_COLUMNS = "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"
_INDEXES = """
SELECT i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
WHERE x.indrelid = to_regclass(%s) AND NOT x.indisprimary
"""


async def prepare(connection: AsyncConnection[Any], schema: str, tables: Iterable[Table]) -> None:
    """Makes the schema, tables, columns and indexes that are missing, fills new columns, drops what is not declared.

    Raises:
        psycopg.Error: as PostgreSQL does.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (key_of(schema),))
        there = await connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,))
        if await there.fetchone() is None:
            await connection.execute(f"CREATE SCHEMA {DIALECT.quoted(schema)}")
        for table in tables:
            await connection.execute(table.create)
            await _bring_up(connection, schema, table)


async def _bring_up(connection: AsyncConnection[Any], schema: str, table: Table) -> None:
    declared, indexes = table.columns(), table.indexes()
    there = await _names(connection, _COLUMNS, schema, table.spec.name) - {"id", "revision", "body"}
    indexed = await _names(connection, _INDEXES, table.name)
    for name in indexed - indexes.keys():
        await connection.execute(f"DROP INDEX {DIALECT.quoted(schema)}.{table.quoted(name)}")
    changes = [f"DROP COLUMN {table.quoted(name)}" for name in sorted(there - declared.keys())]
    added = declared.keys() - there
    changes += [f"ADD COLUMN {table.quoted(name)} {declared[name]}" for name in sorted(added)]
    if changes:
        await connection.execute(f"ALTER TABLE {table.name} {', '.join(changes)}")
    words = await _names(connection, _COLUMNS, schema, f"{table.spec.name}.words")
    if words and (table.postings is None or table.postings.column in added):
        await connection.execute(f"DROP TABLE {table.words}")
    if table.postings is not None and table.postings.column in added:
        for statement in table.create_words:
            await connection.execute(statement)
    if added:
        await _fill(connection, table)
    for name in indexes.keys() - indexed:
        await connection.execute(indexes[name])


async def _fill(connection: AsyncConnection[Any], table: Table) -> None:
    """Writes every document's columns and postings anew from its message."""
    if table.postings is not None:
        await connection.execute(f"DELETE FROM {table.words}")
    last: str | None = None
    while True:
        sql, values = table.selected(Query.by_id(table.spec, after=last, limit=_PAGE))
        rows = await (await connection.execute(sql, values, binary=True)).fetchall()
        if not rows:
            return
        for statement, parameters in table.written(refilled(table, rows)):
            await connection.execute(statement, parameters)
        last = rows[-1][0]


async def _names(connection: AsyncConnection[Any], sql: str, *values: str) -> set[str]:
    return {row[0] for row in await (await connection.execute(sql, values)).fetchall()}
