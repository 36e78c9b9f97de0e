"""`deploy/compose.yaml` under a name and at ports of its own, on this machine's Docker engine."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from libs.common.settings import SERVICES

ROOT = Path(__file__).parents[2]
REPLICAS = 2
# Before the names of all images: none, or of those that were made here.
IMAGES = os.environ.get("IMAGES", "")
IMAGE = f"{IMAGES}llmchat"
_BUILD = shlex.split(os.environ.get("LLMCHAT_TEST_BUILD", ""))
# Below the ports that systems give to outgoing connections.
_PORTS = range(20_000, 32_768)
_LABEL = "com.docker.compose"


def docker(*arguments: str) -> str:
    """What the command says, without what is around it. Raises AssertionError, with all of it: the command failed."""
    return _run("docker", *arguments)


def build_image() -> None:
    """As `deploy/Dockerfile` says; `LLMCHAT_TEST_BUILD` has more for `docker build`, such as another base."""
    docker("build", "--quiet", *_BUILD, "--file", str(ROOT / "deploy/Dockerfile"), "--tag", IMAGE, str(ROOT))


def state_of(container: str) -> dict[str, Any]:
    """What the engine says of the container's state."""
    state: dict[str, Any] = json.loads(docker("inspect", "--format", "{{json .State}}", container))
    return state


def health_of(container: str) -> str:
    """`starting`, `healthy`, `unhealthy`."""
    return str(state_of(container)["Health"]["Status"])


class Composition:
    """A project of the composition's tool, which `composed` starts and takes down."""

    def __init__(self) -> None:
        self.project = f"llmchat-{uuid.uuid4().hex[:8]}"
        first = _free_ports(len(SERVICES) * REPLICAS)
        ports = {name: range(first + REPLICAS * i, first + REPLICAS * (i + 1)) for i, name in enumerate(SERVICES)}
        self.addresses = {name: ",".join(f"127.0.0.1:{port}" for port in own) for name, own in ports.items()}
        self._environment = {
            **os.environ,
            "LLMCHAT_LIMITS": "off",
            "LLMCHAT_ECHO_TOKENS_PER_SECOND": "40",
            **{f"{name.upper()}_PORTS": f"{own[0]}-{own[-1]}" for name, own in ports.items()},
        }

    def compose(self, *arguments: str) -> str:
        """`docker compose` of this project."""
        file = str(ROOT / "deploy/compose.yaml")
        return _run(*_tool(), "-p", self.project, "-f", file, *arguments, environment=self._environment)

    def containers(self, service: str = "") -> list[str]:
        """Their ids, also of those that do not run."""
        return docker("ps", "--all", "--quiet", *self._labelled("service", service)).split()

    def what_is_left(self) -> list[str]:
        """Containers, volumes and networks of the project."""
        own = self._labelled("service", "")
        volumes, networks = (docker(kind, "ls", "--quiet", *own).split() for kind in ("volume", "network"))
        return [*self.containers(), *volumes, *networks]

    def _labelled(self, label: str, value: str) -> list[str]:
        found = [f"{_LABEL}.project={self.project}", *([f"{_LABEL}.{label}={value}"] if value else [])]
        return [part for each in found for part in ("--filter", f"label={each}")]


@contextmanager
def composed() -> Iterator[Composition]:
    """The composition, started but perhaps not serving yet; nothing of it is left when the context is."""
    composition = Composition()
    with ExitStack() as stack:
        stack.callback(lambda: composition.compose("down", "--volumes", "--timeout", "20"))
        composition.compose("up", "--detach", "--no-build")
        yield composition


def _tool() -> tuple[str, ...]:
    """The plugin of Docker's own client, or the program before it, which Debian has."""
    plugin = subprocess.run(("docker", "compose", "version"), capture_output=True, check=False)
    if plugin.returncode == 0:
        return ("docker", "compose")
    assert shutil.which("docker-compose"), "neither `docker compose` nor docker-compose is installed"
    return ("docker-compose",)


def _run(*command: str, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, f"{shlex.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


def _free_ports(count: int) -> int:
    """The first of so many in a row that nothing listens on now."""
    for first in range(_PORTS.start, _PORTS.stop - count, count):
        try:
            with ExitStack() as stack:
                for port in range(first, first + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise AssertionError(f"no {count} ports in a row are free")
