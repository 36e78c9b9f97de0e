"""Servers in containers, where a Docker engine answers and has their images, or can pull them."""

from __future__ import annotations

import functools
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import DockerException, ImageNotFound
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError
from testcontainers.community.mysql import MySqlContainer
from testcontainers.community.postgres import PostgresContainer
from testcontainers.community.redis import RedisContainer
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from tests.engines.engine import Served

_DATABASE = "llmchat"
_ASKED = 10  # seconds that the Docker engine has to answer
_START = 60.0  # seconds
_ALREADY_INITIALIZED = 23
MONGODB_OPTIONS = ("--setParameter", "transactionLifetimeLimitSeconds=5")  # as `docs/engines.md` asks for


@dataclass(frozen=True, slots=True)
class Contained:
    """A server in a container. `image` is its name at the public registry."""

    image: str
    start: Callable[[str], AbstractContextManager[str]]

    def missing(self) -> str:
        """What is not there to start it, or nothing."""
        return _missing(self._found_as)

    @contextmanager
    def serve(self) -> Iterator[Served]:
        """The server, until the context is left."""
        with self.start(self.image) as url:
            yield Served(url, f"{self._found_as} in a container")

    @property
    def _found_as(self) -> str:
        """With what testcontainers puts before it, as its own setting says: images of one's own making."""
        return f"{testcontainers_config.hub_image_name_prefix}{self.image}"


@functools.cache
def _missing(image: str) -> str:
    """Asked once, since a registry that cannot be reached takes its time."""
    try:
        client = docker.from_env(timeout=_ASKED)
    except DockerException:
        return "no Docker engine answers"
    try:
        client.images.get(image)
    except ImageNotFound:
        try:
            client.images.get_registry_data(image)
        except (DockerException, OSError):
            return f"the Docker engine has no image {image} and cannot pull it"
    except (DockerException, OSError):
        return "no Docker engine answers"
    finally:
        client.close()
    return ""


@contextmanager
def _redis(image: str) -> Iterator[str]:
    with RedisContainer(image) as server:
        yield f"redis://{server.get_container_host_ip()}:{server.get_exposed_port(server.port)}"


@contextmanager
def _postgres(image: str) -> Iterator[str]:
    server = PostgresContainer(image, username="llmchat", password=secrets.token_hex(), dbname=_DATABASE, driver=None)
    # It does not flush to the disk, which the death of a process does not need.
    with server.with_command("postgres -c fsync=off -c max_connections=300"):
        yield server.get_connection_url()


@contextmanager
def _mariadb(image: str) -> Iterator[str]:
    # Stores make databases of their own.
    with MySqlContainer(image, username="root", password=secrets.token_hex(), dbname=_DATABASE) as server:
        yield server.get_connection_url()


@contextmanager
def _mongodb(image: str) -> Iterator[str]:
    """A replica set of one, which transactions need; the client knows it by the address at which it is found here."""
    command = " ".join(("--replSet", "tests", "--bind_ip_all", *MONGODB_OPTIONS))
    with DockerContainer(image).with_command(command).with_exposed_ports(27017) as server:
        url = f"mongodb://{server.get_container_host_ip()}:{server.get_exposed_port(27017)}/{_DATABASE}"
        direct = f"{url}?directConnection=true"
        end = time.monotonic() + _START
        with MongoClient[Any](direct, serverSelectionTimeoutMS=1000) as client:
            while not _is_primary(client):
                assert time.monotonic() < end, f"{image}: no primary within {_START} s"
                time.sleep(0.1)
        yield direct


def _is_primary(client: MongoClient[Any]) -> bool:
    try:
        client.admin.command("replSetInitiate", {"_id": "tests", "members": [{"_id": 0, "host": "127.0.0.1:27017"}]})
    except OperationFailure as error:
        if error.code != _ALREADY_INITIALIZED:
            raise
    except PyMongoError:
        return False
    return bool(client.admin.command("hello").get("isWritablePrimary"))


REDIS = Contained("redis:7-bookworm", _redis)
POSTGRES = Contained("postgres:15-bookworm", _postgres)
MARIADB = Contained("mariadb:10.11", _mariadb)
MONGODB = Contained("mongo:7", _mongodb)
