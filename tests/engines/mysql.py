"""MySQL or MariaDB: one that the environment gives, or one of this machine."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from asyncmy import errors
from asyncmy.connection import connect

from tests.engines import containers
from tests.engines.engine import Engine, Served
from tests.engines.server import Server, flushes, serving

_USER = "llmchat"


class MysqlServer(Server):
    """A server of its own. It flushes to the disk once a second, which is enough for the death of a process; see
    `flushes`.
    """

    @property
    def url(self) -> str:
        """Where its stores are."""
        return f"mysql://{_USER}:{quote(self.password, safe='')}@127.0.0.1:{self.port}/llmchat"

    def command(self) -> Sequence[str]:
        """What serves."""
        options = {
            "datadir": str(self.folder / "data"),
            "bind-address": "127.0.0.1",
            "port": str(self.port),
            "socket": "socket",
            "pid-file": "pid",
            "init-file": str(self.folder / "users.sql"),
            "max-connections": "300",
            "innodb-flush-log-at-trx-commit": "1" if flushes() else "2",
            "innodb-buffer-pool-size": "64M",
            "performance-schema": "OFF",
        }
        return [_program(), "--no-defaults", *(f"--{name}={value}" for name, value in options.items())]

    def initialize(self) -> None:
        """Makes the folder's data, and the user."""
        users = self.folder / "users.sql"
        users.write_text(
            f"CREATE USER IF NOT EXISTS '{_USER}'@'%' IDENTIFIED BY '{self.password}';\n"
            f"GRANT ALL ON *.* TO '{_USER}'@'%';\n"
        )
        users.chmod(0o644)
        data = f"--datadir={self.folder / 'data'}"
        if installer := shutil.which("mariadb-install-db"):
            self.run(installer, "--no-defaults", data, "--skip-test-db", "--auth-root-authentication-method=normal")
        else:
            self.run(_program(), "--no-defaults", "--initialize-insecure", data)

    def version(self) -> str:
        """What answers; empty where nothing does yet."""
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, self._version()).result()

    async def _version(self) -> str:
        options = {"host": "127.0.0.1", "port": self.port, "user": _USER, "password": self.password}
        try:
            async with connect(**options, connect_timeout=5) as connection, connection.cursor() as cursor:
                await cursor.execute("SELECT VERSION()")
                ((version,),) = await cursor.fetchall()
        except errors.MySQLError:
            return ""
        number, *more = str(version).split("-")
        return f"{'MariaDB' if 'MariaDB' in more else 'MySQL'} {number}"


@contextmanager
def _serve(folder: Path) -> Iterator[Served]:
    with serving(MysqlServer, folder) as server:
        yield Served(server.url, f"{server.version()} of this machine")


def _program() -> str:
    return shutil.which("mariadbd") or shutil.which("mysqld") or ""


def _missing() -> str:
    return "" if _program() else "no mariadbd or mysqld on the PATH"


MYSQL = Engine("mysql", "LLMCHAT_TEST_MYSQL_URL", _missing, _serve, container=containers.MARIADB)
