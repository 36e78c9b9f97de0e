"""A process of the stand-in for the Firebase Realtime Database, and what it is asked beside the API that it has."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

_ROOT = Path(__file__).parents[2]
_SERVER = Path(__file__).parent / "rtdb" / "server.js"
_TARGARYEN = _ROOT / "node_modules" / "targaryen"
_OWNER = {"Authorization": "Bearer owner"}
_TIMEOUT = 30.0


def missing() -> str:
    """What is not there to start one, or nothing."""
    if shutil.which("node") is None:
        return "no Node.js on the PATH"
    if not _TARGARYEN.is_dir():
        return "node_modules lacks targaryen: npm ci --ignore-scripts"
    return ""


@dataclass(frozen=True, slots=True)
class RtdbServer:
    """An emulator, the stand-in or the real one, at `host`: `127.0.0.1:9000`. Each namespace is a database."""

    host: str

    def database_url(self, namespace: str) -> str:
        """What firebase-admin takes as `databaseURL`."""
        return f"http://{self.host}/?ns={namespace}"

    def deploy(self, namespace: str, rules: Mapping[str, Any]) -> None:
        """Makes these the namespace's rules: the object that has `rules`."""
        self._ask("PUT", "/.settings/rules.json", namespace, rules)

    def break_down(self, namespace: str, **faults: int) -> None:
        """Faults of the stand-in, until the next call: see `faults.js` for their names."""
        self._ask("POST", "/.faults", namespace, faults)

    def writes(self, namespace: str) -> list[dict[str, Any]]:
        """The requests to write that came: method, path, and what was `lost` of each: `answer`, `request` or None."""
        told: list[dict[str, Any]] = self._ask("GET", "/.log", namespace, None)
        return told

    def _ask(self, method: str, path: str, namespace: str, body: object) -> Any:
        asked = Request(
            f"http://{self.host}{path}?ns={namespace}", json.dumps(body).encode(), dict(_OWNER), method=method
        )
        with urlopen(asked, timeout=_TIMEOUT) as answer:  # noqa: S310
            return json.load(answer)


@contextmanager
def rtdb_serving() -> Iterator[RtdbServer]:
    """A stand-in of this process's own, at a free port of 127.0.0.1; it ends with its standard input, as we do."""
    command = ("node", str(_SERVER))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith("listening on "), "the stand-in did not start"
        try:
            yield RtdbServer(f"127.0.0.1:{int(said.split()[-1])}")
        finally:
            process.kill()
