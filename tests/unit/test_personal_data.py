"""What every service declares of the personal data it holds: that none is forgotten, and how it is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.message import Message as AnyMessage
from google.protobuf.message_factory import GetMessageClass
from llmchat.messages.stored.v1.stream_pb2 import Conversation
from llmchat.messages.v1.message_pb2 import Message
from llmchat.options.v1 import secret_pb2
from llmchat.personal_data.v1.personal_data_service_pb2 import (
    PersonalDocument,
    ReadPersonalDataRequest,
    ReadPersonalDataResponse,
)
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.clock import timestamp, wall_clock
from libs.common.context import Call
from libs.common.crypto.requests import RequestSeal
from libs.common.documents.documents import Documents
from libs.common.documents.pages import PageTokens
from libs.common.documents.unit import Unit
from libs.common.errors import Invalid, NotFound
from libs.common.personal_data.declaration import HOLDERS, Below, ByUser, PersonalSpec
from libs.common.personal_data.service import PersonalDataService
from libs.common.redaction import redacted
from libs.common.store.memory import MemoryStore
from libs.common.store.port import CollectionSpec, Query
from services.messages.collections import COLLECTIONS, CONVERSATIONS, MESSAGES
from services.messages.personal_data import PERSONAL_DATA as OF_MESSAGES
from services.operations.personal_data import PERSONAL_DATA as OF_OPERATIONS
from services.owned import OWNED
from services.threads.collections import THREADS
from services.threads.personal_data import PERSONAL_DATA as OF_THREADS
from services.users.personal_data import PERSONAL_DATA as OF_USERS

DECLARED: dict[str, tuple[PersonalSpec, ...]] = {
    "users": OF_USERS,
    "threads": OF_THREADS,
    "messages": OF_MESSAGES,
    "operations": OF_OPERATIONS,
}
# What names a person and is in no export, and why.
LEFT_OUT = {
    "users/usernames": "the account has the name",
    "messages/external_answers": "the answer has all that a generator is told",
}
HOLDING: dict[type, CollectionSpec[Any]] = {Message: MESSAGES, Conversation: CONVERSATIONS, Thread: THREADS}
KB = 1024


def collections_that_name_a_user() -> Iterator[Any]:
    for service, specs in OWNED.items():
        for spec in specs:
            if "user_id" in spec.message.DESCRIPTOR.fields_by_name:
                yield pytest.param(service, spec, id=f"{service}/{spec.name}")


@pytest.mark.parametrize(("service", "spec"), list(collections_that_name_a_user()))
def test_what_names_its_person_is_in_their_export(service: str, spec: CollectionSpec[Any]) -> None:
    is_declared = spec in [personal.spec for personal in DECLARED.get(service, ())]

    assert is_declared != (f"{service}/{spec.name}" in LEFT_OUT)


def test_an_export_asks_those_who_declare_something() -> None:
    assert set(HOLDERS) == DECLARED.keys()
    with pytest.raises(ValueError, match="catalog"):
        PersonalDataService().add("catalog", open_documents(), ())


@pytest.mark.parametrize("service", DECLARED)
def test_what_is_declared_can_be_found(service: str) -> None:
    for personal in DECLARED[service]:
        assert personal.spec in OWNED[service]
        match personal:
            case ByUser(spec, order):
                Query.where(spec, order=order, user_id="ada")
            case Below(parents, spec, field, order):
                assert parents.order == "id"
                wanted: dict[str, Any] = {field: "it"}
                Query.where(spec, order=order, **wanted)


def open_documents() -> Documents:
    store = MemoryStore((*COLLECTIONS, THREADS))
    return Documents(store, wall_clock, PageTokens([b"p" * 32]), RequestSeal([b"d" * 32]))


async def put(documents: Documents, *written: Conversation | Message | Thread) -> None:
    """Stores documents, in the place of those that have their ids."""

    async def work(unit: Unit) -> None:
        for document in written:
            spec: CollectionSpec[Any] = HOLDING[type(document)]
            await unit.find(spec, document.id)
            unit.put(spec, document)

    await documents.unit(work)


def message(thread_id: str, position: int, size: int = 0) -> Message:
    # By id they stand in another order than by position.
    id = f"{thread_id}.{999 - position}"
    return Message(id=id, thread_id=thread_id, user_id="ada", position=position, content="x" * size)


async def read_page(documents: Documents, token: str = "") -> ReadPersonalDataResponse:
    service = PersonalDataService()
    service.add("messages", documents, OF_MESSAGES)
    request = ReadPersonalDataRequest(service="messages", user_id="ada", page_token=token)
    return await service.ReadPersonalData(request, Call())


async def read_all(documents: Documents) -> list[list[PersonalDocument]]:
    """The pages."""
    page = await read_page(documents)
    pages = [list(page.documents)]
    while page.next_page_token:
        page = await read_page(documents, page.next_page_token)
        pages.append(list(page.documents))
    return pages


async def test_everything_is_read_once_in_order_page_by_page() -> None:
    documents = open_documents()
    threads = [f"thread_{number}" for number in range(5)]
    everything = [message(thread_id, n, 30 * KB) for thread_id in threads for n in range(1, 45)]
    await put(documents, *(Conversation(id=thread_id, user_id="ada") for thread_id in threads), *everything)
    await put(documents, Conversation(id="thread_0b", user_id="bob"), message("thread_0b", 1))
    # Nothing was said in it.
    await put(documents, Conversation(id="thread_3b", user_id="ada"))

    pages = await read_all(documents)

    found = [(document.collection, document.id) for page in pages for document in page]
    conversations = sorted([*threads, "thread_3b"])
    assert found[:6] == [("conversations", id) for id in conversations]
    assert found[6:] == [("messages", one.id) for one in everything]
    sizes = [sum(len(document.json) for document in page) for page in pages]
    assert max(sizes) <= 1024 * KB
    assert len(pages) == 7, "as few as the bytes allow"


async def test_a_document_larger_than_a_page_has_one_of_its_own() -> None:
    documents = open_documents()
    await put(documents, Conversation(id="t", user_id="ada"), *(message("t", n, 1500 * KB) for n in (1, 2)))

    pages = await read_all(documents)

    assert [[document.collection for document in page] for page in pages] == [
        ["conversations"],
        ["messages"],
        ["messages"],
    ]


async def test_what_is_written_meanwhile_moves_nothing() -> None:
    documents = open_documents()
    everything = [message("t", n, 300 * KB) for n in range(1, 9)]
    await put(documents, Conversation(id="t", user_id="ada"), *everything)

    first = await read_page(documents)
    # One that was read and one that was not are changed, and one is gone.
    for changed in (everything[0], everything[6]):
        changed.content = "changed"
    await put(documents, everything[0], everything[6], Conversation(id="t", user_id="ada", last_position=9))

    async def remove(unit: Unit) -> None:
        unit.delete(MESSAGES, everything[7].id)

    await documents.unit(remove)
    token = first.next_page_token
    found = [document for document in first.documents if document.collection == "messages"]
    while token:
        page = await read_page(documents, token)
        found += page.documents
        token = page.next_page_token

    assert [document.id for document in found] == [one.id for one in everything[:7]]
    assert json.loads(found[0].json)["content"] == "x" * 300 * KB
    assert json.loads(found[6].json)["content"] == "changed"


async def test_a_thread_that_goes_on_meanwhile_comes_again_and_none_is_lost() -> None:
    documents = open_documents()
    service = PersonalDataService()
    service.add("threads", documents, OF_THREADS)
    threads = [Thread(id=f"thread_{n}", user_id="ada", changed_at=timestamp(n), title="x" * 300 * KB) for n in range(9)]
    await put(documents, *threads)
    request = ReadPersonalDataRequest(service="threads", user_id="ada")
    page = await service.ReadPersonalData(request, Call())
    found = list(page.documents)

    # The first one was read, the last one was not.
    for changed in (threads[0], threads[8]):
        changed.changed_at.CopyFrom(timestamp(100))
    await put(documents, threads[0], threads[8])
    while page.next_page_token:
        request.page_token = page.next_page_token
        page = await service.ReadPersonalData(request, Call())
        found += page.documents

    assert [document.id for document in found] == [f"thread_{n}" for n in (0, 1, 2, 3, 4, 5, 6, 7, 0, 8)]
    assert [json.loads(document.json)["changedAt"] for document in found] == [0, 1, 2, 3, 4, 5, 6, 7, 100, 100]


@pytest.mark.parametrize(
    "token", ["nonsense", "5", "[]", '["messages", "t", 1]', '["messages", "t", {}, "m"]', '["clouds", "", null, "it"]']
)
async def test_a_token_of_ones_own_making_is_refused(token: str) -> None:
    with pytest.raises(Invalid, match="page_token"):
        await read_page(open_documents(), token)


async def test_only_what_is_served_here_is_read() -> None:
    request = ReadPersonalDataRequest(service="threads", user_id="ada")

    with pytest.raises(NotFound):
        await PersonalDataService().ReadPersonalData(request, Call())


def test_secrets_are_dropped_in_lists_and_maps_too() -> None:
    holder = holder_of_secrets()
    inner = {"word": "kept", "secret": "hidden"}
    document = holder(
        one=inner, many=[inner, inner], named={"a": inner}, texts={"a": "kept"}, secret_texts={"a": "hidden"}
    )

    shown = redacted(document)

    assert b"hidden" not in shown.SerializeToString()
    kept = {"word": "kept"}
    assert shown == holder(one=kept, many=[kept, kept], named={"a": kept}, texts={"a": "kept"})


def holder_of_secrets() -> type[AnyMessage]:
    """A message with a secret in every place where there may be one. None of the protos' has all of them."""
    field = descriptor_pb2.FieldDescriptorProto
    secret = descriptor_pb2.FieldOptions()
    secret.Extensions[secret_pb2.secret] = True  # type: ignore[index]

    def text(name: str, number: int, **more: Any) -> descriptor_pb2.FieldDescriptorProto:
        return field(name=name, number=number, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL, **more)

    def within(name: str, number: int, type: str, label: Any, **more: Any) -> descriptor_pb2.FieldDescriptorProto:
        type_name = f".specimen.{type}"
        return field(name=name, number=number, type=field.TYPE_MESSAGE, type_name=type_name, label=label, **more)

    def entry(name: str, value: descriptor_pb2.FieldDescriptorProto) -> descriptor_pb2.DescriptorProto:
        options = descriptor_pb2.MessageOptions(map_entry=True)
        return descriptor_pb2.DescriptorProto(name=name, field=[text("key", 1), value], options=options)

    inner = descriptor_pb2.DescriptorProto(name="Inner", field=[text("word", 1), text("secret", 2, options=secret)])
    holder = descriptor_pb2.DescriptorProto(
        name="Holder",
        field=[
            within("one", 1, "Inner", field.LABEL_OPTIONAL),
            within("many", 2, "Inner", field.LABEL_REPEATED),
            within("named", 3, "Holder.NamedEntry", field.LABEL_REPEATED),
            within("texts", 4, "Holder.TextsEntry", field.LABEL_REPEATED),
            within("secret_texts", 5, "Holder.SecretTextsEntry", field.LABEL_REPEATED, options=secret),
        ],
        nested_type=[
            entry("NamedEntry", within("value", 2, "Inner", field.LABEL_OPTIONAL)),
            entry("TextsEntry", text("value", 2)),
            entry("SecretTextsEntry", text("value", 2)),
        ],
    )
    file = descriptor_pb2.FileDescriptorProto(
        name="specimen.proto", package="specimen", syntax="proto3", message_type=[inner, holder]
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("specimen.Holder"))
