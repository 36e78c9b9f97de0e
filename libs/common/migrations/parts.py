"""What a page of a migration's part does to its documents: upwards, downwards, or looking alone."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message

from libs.common.documents.unit import Unit
from libs.common.errors import Conflict, Contended, DomainError, Unavailable
from libs.common.migrations.declaration import Part, Upgrade
from libs.common.migrations.loading import Migrations

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Broken(Exception):
    """What a migration's own code cannot do, or finds wrong. The text names documents, and holds nothing of them."""


class Parts:
    """Runs the parts of a service's migrations over pages of documents, as they are stored."""

    def __init__(self, migrations: Migrations) -> None:
        self._migrations = migrations

    async def up(self, unit: Unit, part: Part, page: Sequence[Message]) -> Sequence[Message]:
        """Those of the page that it has changed, which are yet to be staged.

        Raises:
            Broken: the part's own code failed.
        """
        if not isinstance(part, Upgrade):
            return await _running(part, part.up(unit, page))
        upgrades = self._migrations.upgrades[part.spec.name]
        changed = []
        for document in page:
            try:
                if upgrades.upgrade(document, part.to_version):
                    changed.append(document)
            except Exception as error:
                raise _broken(_name(part, document), error) from error
        return changed

    async def down(self, unit: Unit, part: Part, page: Sequence[Message]) -> Sequence[Message]:
        """As `up`, backwards."""
        if not isinstance(part, Upgrade):
            return await _running(part, part.down(unit, page))
        upgrades = self._migrations.upgrades[part.spec.name]
        changed = []
        for document in page:
            try:
                if upgrades.downgrade(document, part.to_version):
                    changed.append(document)
            except Exception as error:
                raise _broken(_name(part, document), error) from error
        return changed

    async def validate(self, unit: Unit, part: Part, page: Sequence[Message]) -> None:
        """Returns where nothing is wrong.

        A document of an earlier version, which a process of before has written meanwhile, is none that was upgraded.

        Raises:
            Broken: something is, or the part's own code failed.
        """
        for document in page:
            if not isinstance(part, Upgrade):
                wrong = await _running(part, part.validate(unit, document))
            elif document.schema_version < part.to_version:  # type: ignore[attr-defined]
                continue
            else:
                try:
                    wrong = part.validate(document)
                except Exception as error:
                    raise _broken(_name(part, document), error) from error
            if wrong:
                raise Broken(f"{_name(part, document)}: {wrong}")


async def _running(part: Part, work: Awaitable[T]) -> T:
    """What a backfill gives. What passes, and is no fault of its own, stays as it is."""
    try:
        return await work
    except (Unavailable, Contended, Conflict):
        raise
    except Exception as error:
        raise _broken(part.spec.name, error) from error


def _broken(what: str, error: Exception) -> Broken:
    """An error that is no domain error may hold anything: its text is in the log alone."""
    if isinstance(error, DomainError):
        return Broken(f"{what}: {error.text}")
    _log.error("a migration failed at %s", what, exc_info=error)
    return Broken(f"{what}: {type(error).__name__}, which the server's log tells of")


def _name(part: Part, document: Any) -> str:
    return f"{part.spec.name}/{document.id}"
