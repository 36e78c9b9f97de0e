"""All upgrades of one collection: what brings a document up to date, wherever it is met, and what takes it back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from google.protobuf.message import Message

from libs.common.documents.system import SCHEMA_VERSION
from libs.common.migrations.declaration import Upgrade

M = TypeVar("M", bound=Message)


class Upgrades(Generic[M]):
    """The upgrades of one collection, in the order of their versions. `newest` is the version that they lead to."""

    def __init__(self, upgrades: Iterable[Upgrade[M]]) -> None:
        """At least one.

        Raises:
            ValueError: they are not in the order of their versions, or lead beyond what new documents have.
        """
        self._upgrades = tuple(upgrades)
        versions = [upgrade.to_version for upgrade in self._upgrades]
        if versions != sorted(set(versions)) or versions[0] <= 1 or versions[-1] > SCHEMA_VERSION:
            name = self._upgrades[0].spec.name
            raise ValueError(f"{name}: {versions} are not versions from 2 to {SCHEMA_VERSION}, one after the other")
        self.newest = versions[-1]

    def upgrade(self, document: M, to_version: int) -> bool:
        """Brings the document up to a version; False where it is as far already, and is left as it is."""
        version: int = document.schema_version  # type: ignore[attr-defined]
        if version >= to_version:
            return False
        for upgrade in self._upgrades:
            if version < upgrade.to_version <= to_version:
                upgrade.up(document)
        document.schema_version = to_version  # type: ignore[attr-defined]
        return True

    def downgrade(self, document: M, below: int) -> bool:
        """Takes the document back before a version; False where it is of an earlier one."""
        version: int = document.schema_version  # type: ignore[attr-defined]
        if version < below:
            return False
        for upgrade in reversed(self._upgrades):
            if below <= upgrade.to_version <= version:
                upgrade.down(document)
        document.schema_version = below - 1  # type: ignore[attr-defined]
        return True
