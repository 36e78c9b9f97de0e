"""What every service declares of its documents' references, and that none is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.integrity.kinds import KINDS
from libs.common.integrity.references import KindSpec, References, ReferenceSpec
from libs.common.integrity.service import IntegrityService
from libs.common.store.port import CollectionSpec
from services.catalog.references import REFERENCES as CATALOG
from services.messages.references import REFERENCES as MESSAGES
from services.operations.references import REFERENCES as OPERATIONS
from services.owned import OWNED
from services.threads.references import REFERENCES as THREADS
from services.users.references import REFERENCES as USERS
from tests.unit.test_events import open_documents

DECLARED = {
    "users": USERS,
    "threads": THREADS,
    "messages": MESSAGES,
    "catalog": CATALOG,
    "operations": OPERATIONS,
}
SOME = CollectionSpec("some", Thread)
# Fields that name what need not be there, and why.
NO_REFERENCES = {
    "users/access_keys.key_id": "names a key of the installation",
    "operations/audit_logs.user_id": "the log outlives the person",
    "operations/audit_logs.entity_id": "the log outlives what was done to",
    "operations/audit_logs.request_id": "names a call",
}


def fields_that_hold_ids() -> Iterator[Any]:
    for service, specs in OWNED.items():
        for spec in specs:
            for field in spec.message.DESCRIPTOR.fields:
                name = f"{service}/{spec.name}.{field.name}"
                if not field.name.endswith("_id") or field.type != FieldDescriptor.TYPE_STRING or name in NO_REFERENCES:
                    continue
                yield pytest.param(service, spec, field.name, id=name)


@pytest.mark.parametrize(("service", "spec", "field"), list(fields_that_hold_ids()))
def test_a_field_that_holds_another_documents_id_is_a_reference(
    service: str, spec: CollectionSpec[Any], field: str
) -> None:
    document = spec.message(id="it", **{field: "another"})
    references = [one for one in DECLARED[service].references if one.spec == spec]

    assert "another" in {target for reference in references for target in reference.targets(document)}


@pytest.mark.parametrize("service", DECLARED)
def test_a_services_references_go_with_the_table_of_kinds(service: str) -> None:
    IntegrityService().add(service, open_documents(), DECLARED[service])


@pytest.mark.parametrize(
    "references",
    [
        References(),
        References(kinds=(KindSpec("thread", SOME), KindSpec("cloud", SOME))),
        References(kinds=(KindSpec("thread", SOME), KindSpec("user", SOME))),
        References(
            kinds=(KindSpec("thread", SOME),), references=(ReferenceSpec(SOME, "cloud", lambda thread: (thread.id,)),)
        ),
    ],
    ids=["a kind is missing", "one is in no table", "one is another service's", "a reference to what is in no table"],
)
def test_what_does_not_go_with_the_table_stops_the_start(references: References) -> None:
    assert KINDS["thread"] == "threads"
    with pytest.raises(ValueError, match="threads"):
        IntegrityService().add("threads", open_documents(), references)
