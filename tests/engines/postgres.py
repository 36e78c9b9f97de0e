"""PostgreSQL: one that the environment gives, or one of this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg

from tests.engines import containers
from tests.engines.engine import Engine, Served
from tests.engines.server import Server, flushes, serving


class PostgresServer(Server):
    """A cluster of its own. It does not flush, which the death of a process does not need; see `flushes`."""

    @property
    def url(self) -> str:
        """Where its stores are."""
        return f"postgresql://llmchat:{quote(self.password, safe='')}@127.0.0.1:{self.port}/postgres"

    def command(self) -> Sequence[str]:
        """What serves."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "300",
            "fsync": "on" if flushes() else "off",
            "shared_buffers": "64MB",
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [_program("postgres"), "-D", str(self.folder / "data"), *settings]

    def initialize(self) -> None:
        """Makes the folder's data."""
        secret = self.folder / "password"
        secret.write_text(self.password)
        secret.chmod(0o644)
        options = ("--username=llmchat", f"--pwfile={secret}", "--auth=scram-sha-256", "--encoding=UTF8")
        self.run(_program("initdb"), f"--pgdata={self.folder / 'data'}", "--no-sync", "--locale=C", *options)

    def version(self) -> str:
        """What answers; empty where nothing does yet."""
        try:
            with psycopg.connect(self.url, connect_timeout=5) as connection:
                number = connection.info.server_version
        except psycopg.OperationalError:
            return ""
        return f"PostgreSQL {number // 10000}.{number % 10000}"


@contextmanager
def _serve(folder: Path) -> Iterator[Served]:
    with serving(PostgresServer, folder) as server:
        yield Served(server.url, f"{server.version()} of this machine")


def _program(name: str) -> str:
    """On the PATH, or where Debian has it; empty where there is none."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return shutil.which(name) or (str(debian[-1]) if debian else "")


def _missing() -> str:
    return "" if _program("postgres") and _program("initdb") else "no postgres on the PATH or in /usr/lib/postgresql"


POSTGRES = Engine("postgres", "LLMCHAT_TEST_POSTGRES_URL", _missing, _serve, container=containers.POSTGRES)
