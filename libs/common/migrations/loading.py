"""A service's migrations, read from their numbered files."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

from libs.common.documents.upgraded import UpgradedStore
from libs.common.migrations.declaration import Migration, Upgrade
from libs.common.migrations.upgrades import Upgrades
from libs.common.store.port import Store

_FILE = re.compile(r"(?P<number>\d{4})_(?P<name>[a-z0-9_]+)\.py")


@dataclass(frozen=True, slots=True)
class NumberedMigration:
    """A migration and its file: `0001_rank.py` is number 1 with the name `rank`; `checksum` is the file's SHA-256."""

    number: int
    name: str
    checksum: str
    migration: Migration

    @property
    def id(self) -> str:
        """Under which its state is stored."""
        return f"{self.number:04}"


class Migrations:
    """All migrations of one service, in the order of their numbers."""

    def __init__(self, service: str, numbered: Sequence[NumberedMigration] = ()) -> None:
        """Raises:
        ValueError: numbers are missing or there twice, one has no parts or depends on what does not come before it, or
            versions are not in order.
        """
        self.service = service
        self.numbered = tuple(sorted(numbered, key=lambda one: one.number))
        numbers = [one.number for one in self.numbered]
        if numbers != list(range(1, len(numbers) + 1)):
            raise ValueError(f"{service}: {numbers} are not the numbers from 1, each once")
        for one in self.numbered:
            if not one.migration.parts:
                raise ValueError(f"{service}: {one.id}_{one.name} has no parts")
            # So no two can depend on each other.
            if later := [number for number in one.migration.depends_on if not 1 <= number < one.number]:
                raise ValueError(f"{service}: {one.id}_{one.name} depends on {later}, and not on earlier ones alone")
        upgrades: dict[str, list[Upgrade[Any]]] = defaultdict(list)
        for one in self.numbered:
            for part in one.migration.parts:
                if isinstance(part, Upgrade):
                    upgrades[part.spec.name].append(part)
        self.upgrades: Mapping[str, Upgrades[Any]] = MappingProxyType(
            {name: Upgrades(found) for name, found in upgrades.items()}
        )

    def upgraded(self, store: Store) -> Store:
        """The store as this version of the service reads it."""
        return UpgradedStore(store, self.upgrades) if self.upgrades else store


def load_migrations(service: str, package: str = "") -> Migrations:
    """The migrations of a service, from `services/{service}/migrations`, or another package's folder.

    Raises:
        ValueError: a file does not declare a `MIGRATION`, or is not called like `0001_name.py`; and as `Migrations`.
    """
    package = package or f"services.{service}.migrations"
    paths = [path for folder in import_module(package).__path__ for path in Path(folder).glob("*.py")]
    return Migrations(service, [_load(package, path) for path in paths if path.name != "__init__.py"])


def _load(package: str, path: Path) -> NumberedMigration:
    named = _FILE.fullmatch(path.name)
    if named is None:
        raise ValueError(f"{path} is not called like 0001_name.py")
    declared = getattr(import_module(f"{package}.{path.stem}"), "MIGRATION", None)
    if not isinstance(declared, Migration):
        raise ValueError(f"{path} declares no MIGRATION")
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    return NumberedMigration(int(named["number"]), named["name"], checksum, declared)
