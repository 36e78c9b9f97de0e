"""Documents that refer to what is not there, by what the services declare of their references."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from libs.common.integrity.kinds import KINDS
from libs.common.integrity.references import References
from services.catalog.references import REFERENCES as CATALOG
from services.messages.references import REFERENCES as MESSAGES
from services.operations.references import REFERENCES as OPERATIONS
from services.threads.references import REFERENCES as THREADS
from services.users.references import REFERENCES as USERS
from tests.simulation.store import Engine

_REFERENCES: Mapping[str, References] = {
    "users": USERS,
    "threads": THREADS,
    "messages": MESSAGES,
    "catalog": CATALOG,
    "operations": OPERATIONS,
}


def orphans(engines: Mapping[str, Engine]) -> Iterator[str]:
    """All of them, in words. What belongs to a service without an engine is not asked for."""
    there = {
        kind.kind: {
            document.id for document in engines[service].all(kind.spec) if kind.counts is None or kind.counts(document)
        }
        for service in engines
        for kind in _REFERENCES[service].kinds
    }
    for service, engine in engines.items():
        for reference in _REFERENCES[service].references:
            if KINDS[reference.kind] not in engines:
                continue
            for document in engine.all(reference.spec):
                for target in reference.targets(document):
                    if target and target not in there[reference.kind]:
                        yield f"{service} {reference.spec.name}/{document.id}: no {reference.kind} {target}"
