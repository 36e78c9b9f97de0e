"""ExportUserData: everything of a person from all services, no secret, nothing of anybody else, whatever the size."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode
from llmchat.messages.stored.v1.stream_pb2 import Conversation
from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_COMPLETE, ROLE_USER, Message
from llmchat.messages.v1.messages_service_pb2 import SendMessageRequest
from llmchat.operations.v1.operation_pb2 import OPERATION_STATUS_COMPLETED
from llmchat.operations.v1.operations_service_pb2 import (
    EXPORT_FORMAT_CSV,
    ExportFormat,
    ExportUserDataRequest,
    ListAuditEventsRequest,
    ListAuditEventsResponse,
    ListOperationsRequest,
)
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest
from llmchat.users.stored.v1.session_pb2 import AccessKeyRecord, IdentityRecord, SessionRecord
from llmchat.users.stored.v1.user_pb2 import ProviderKey
from pydantic import SecretStr

from libs.common.opening import open_process
from libs.common.settings import Settings
from services.__main__ import EMBEDDED
from services.messages.collections import CONVERSATIONS, MESSAGES
from services.show import show
from services.users.collections import ACCESS_KEYS, IDENTITIES, SESSIONS, USERS
from tests.integration.accounts import account, administrator
from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, Person, connected, open_house
from tests.integration.planting import documents_of, plant
from tests.integration.tables import tables
from tests.integration.watching import watch

CODE = '```python\nprint("héllo, 世界 🙂")  # "quoted", \ttabbed\n```\n'
SECRETS = ("canary-password-hash", "canary-encrypted-key", "canary-key-hash", "canary-access-hash")
PIECE = 64 * 1024
# In JSON, as a stored document has it.
Json = dict[str, Any]


@pytest.fixture
async def ada(house: House) -> Person:
    """Somebody with something in every service, secrets among it."""
    return await with_belongings(house, await account(house))


@pytest.fixture
async def root(house: House) -> AsyncIterator[Person]:
    """An administrator."""
    async with administrator(house) as root:
        yield root


async def with_belongings(house: House, ada: Person) -> Person:
    record = await (await documents_of(house, "users")).get(USERS, ada.user_id)
    record.password_hash = SECRETS[0]
    record.api_keys.openai.CopyFrom(
        ProviderKey(encrypted_key=SECRETS[1], key_hash=SECRETS[2], key_id="k1", is_valid=True)
    )
    await plant(house, "users", USERS, record)
    await plant(house, "users", SESSIONS, SessionRecord(id="session_1", user_id=ada.user_id, client_name="Ada's phone"))
    key = AccessKeyRecord(id="key_1", user_id=ada.user_id, name="CI", prefix="llmchat_a", hash=SECRETS[3].encode())
    await plant(house, "users", ACCESS_KEYS, key)
    await plant(house, "users", IDENTITIES, IdentityRecord(id="identity_1", user_id=ada.user_id, issuer="https://id"))
    for title in ("", "Zweites Gespräch, über „alles“"):
        thread_id = (await ada.threads.CreateThread(CreateThreadRequest(title=title))).id
        await talk(ada, thread_id, CODE)
    await ada.threads.CreateThread(CreateThreadRequest(title="Empty"))
    return ada


async def talk(person: Person, thread_id: str, text: str) -> None:
    await watch(person.messages.SendMessage(SendMessageRequest(thread_id=thread_id, model_id="echo", content=text)))


async def export(person: Person, user_id: str = "me", format: ExportFormat | None = None) -> bytes:
    """The whole file."""
    request = ExportUserDataRequest(user_id=user_id, format=format)
    return b"".join([piece.data async for piece in person.operations.ExportUserData(request)])


def parsed(file: bytes) -> list[Json]:
    """The lines of an export in JSON."""
    *lines, rest = file.decode().split("\n")
    assert not rest, "the last line has an end, too"
    return [json.loads(line) for line in lines]


async def settled(ada: Person, folder: Path) -> None:
    """Once nothing of hers is about to change: totals are counted, and the title that was asked for is found."""

    async def unsettled() -> list[str]:
        return [id for service in EMBEDDED for id in tables(folder, service)["outbox"]]

    async def ended() -> bool:
        found = (await ada.operations.ListOperations(ListOperationsRequest())).operations
        return [one.status for one in found] == [OPERATION_STATUS_COMPLETED]

    await eventually(unsettled, lambda events: not events)
    await eventually(ended, bool)


async def audited(root: Person, **filters: Any) -> ListAuditEventsResponse:
    return await root.operations.ListAuditEvents(ListAuditEventsRequest(action="user.export", **filters))


async def test_everything_of_a_person_is_in_it_as_it_is_stored(house: House, ada: Person, tmp_path: Path) -> None:
    await settled(ada, tmp_path / "data")

    lines = parsed(await export(ada))

    # What puts this export on record may be in it or not.
    lines = [line for line in lines if line["collection"] != "audit_logs"]
    assert Counter((line["service"], line["collection"]) for line in lines) == {
        ("users", "users"): 1,
        ("users", "usages"): 1,
        ("users", "identities"): 1,
        ("users", "sessions"): 1,
        ("users", "access_keys"): 1,
        ("threads", "threads"): 3,
        ("messages", "conversations"): 2,
        ("messages", "messages"): 4,
        ("operations", "operations"): 1,
    }
    for line in lines:
        stored = await show(f"sqlite:///{tmp_path / 'data'}", line["service"], line["collection"], line["id"])
        assert line["document"] == stored["document"]
        assert line["document"].get("userId", line["id"]) == ada.user_id
    messages = [line["document"] for line in lines if line["collection"] == "messages"]
    assert [one["content"] for one in messages if one["role"] == "user"] == [CODE, CODE]
    assert ["".join(one["tokens"]) for one in messages if one["role"] == "assistant"] == [CODE, CODE]
    assert {line["document"]["title"] for line in lines if line["collection"] == "threads"} >= {
        "Zweites Gespräch, über „alles“",
        "Empty",
    }


@pytest.mark.parametrize("format", [None, EXPORT_FORMAT_CSV], ids=["json", "csv"])
async def test_no_secret_is_in_it(house: House, ada: Person, format: ExportFormat | None) -> None:
    file = (await export(ada, format=format)).decode()

    assert "Ada's phone" in file
    assert "llmchat_a" in file
    for secret in SECRETS:
        assert secret not in file
        assert json.dumps(secret).strip('"') not in file
    # As bytes are written in JSON.
    assert "Y2FuYXJ5" not in file


async def test_nothing_of_anybody_else_is_in_it(house: House, ada: Person) -> None:
    bob = await account(house, "bob@example.org")
    thread_id = (await bob.threads.CreateThread(CreateThreadRequest(title="Bob's"))).id
    await talk(bob, thread_id, "a secret of Bob's")

    assert bob.user_id not in (await export(ada)).decode()
    theirs = (await export(bob)).decode()
    assert ada.user_id not in theirs
    assert "a secret of Bob's" in theirs


async def test_another_persons_account_is_not_found_with_the_words_of_one_that_is_not_there(
    house: House, ada: Person, root: Person
) -> None:
    bob = await account(house, "bob@example.org")

    for user_id in (ada.user_id, "user_none", root.user_id):
        with refused(StatusCode.NOT_FOUND) as refusal:
            await export(bob, user_id)
        assert refusal.error.text == f"user {user_id!r} not found"
    # Nor is a part of an id an id.
    for user_id in ("user_none", "user_", ada.user_id[:-1]):
        with refused(StatusCode.NOT_FOUND) as refusal:
            await export(root, user_id)
        assert refusal.error.text == f"user {user_id!r} not found"
    assert not (await audited(root)).audit_events


async def test_an_export_is_on_record_whoever_reads_it_and_how_little_of_it(
    house: House, ada: Person, root: Person
) -> None:
    assert b"Zweites" in await export(root, ada.user_id)
    async for piece in ada.operations.ExportUserData(ExportUserDataRequest(user_id=ada.user_id)):
        assert piece.data
        break

    found = await eventually(lambda: audited(root), lambda found: len(found.audit_events) == 2)

    assert {event.actor for event in found.audit_events} == {ada.user_id, root.user_id}
    for event in found.audit_events:
        assert (event.user_id, event.entity_type, event.entity_id) == (ada.user_id, "user", ada.user_id)
        assert (event.service, event.failure) == ("operations", "")
    recorded = [line for line in parsed(await export(ada)) if line["collection"] == "audit_logs"]
    assert {line["id"] for line in recorded} >= {event.id for event in found.audit_events}


def values(path: str, value: Any) -> list[tuple[str, str]]:
    """What a CSV is to say of a value, by the rules in the words of the format's description."""
    if isinstance(value, dict) and value:
        named = [
            (f'{path}["{key}"]' if "." in key or "-" in key else f"{path}.{key}", one) for key, one in value.items()
        ]
        return [pair for name, one in named for pair in values(name.removeprefix("."), one)]
    if isinstance(value, list) and value:
        return [pair for place, one in enumerate(value) for pair in values(f"{path}[{place}]", one)]
    return [(path, value if isinstance(value, str) else json.dumps(value))]


async def test_a_csv_says_the_same_a_value_a_row(ada: Person, tmp_path: Path) -> None:
    await settled(ada, tmp_path / "data")
    lines = [line for line in parsed(await export(ada)) if line["collection"] != "audit_logs"]

    file = (await export(ada, format=EXPORT_FORMAT_CSV)).decode()

    head, *rows = csv.reader(io.StringIO(file, newline=""), strict=True)
    assert head == ["service", "collection", "id", "field", "value"]
    assert [row for row in rows if row[1] != "audit_logs"] == [
        [line["service"], line["collection"], line["id"], field, value]
        for line in lines
        for field, value in values("", line["document"])
    ]
    assert file.endswith("\r\n")
    read = {(row[1], row[3]): row[4] for row in rows}
    assert read["messages", "content"] == CODE
    assert read["threads", "activeModels[0]"] == "echo"
    assert read["users", "apiKeys.openai.isValid"] == "true"


async def test_pieces_hold_whole_lines_and_about_64_kib(house: House, ada: Person) -> None:
    await plant_messages(house, ada, count=300, text="wörd " * 200)

    for form in (None, EXPORT_FORMAT_CSV):
        request = ExportUserDataRequest(user_id="me", format=form)
        pieces = [piece.data async for piece in ada.operations.ExportUserData(request)]

        assert len(pieces) > 5
        assert all(piece.endswith(b"\n") for piece in pieces)
        assert all(PIECE // 2 < len(piece) <= PIECE for piece in pieces[:-1])
        for piece in pieces:
            piece.decode()


async def test_two_thousand_messages_go_through_in_bounded_memory(house: House, ada: Person) -> None:
    await plant_messages(house, ada, count=2000, text="0123456789" * 1000)
    # The way is paved: what is loaded or compiled at its first use does not count.
    await export(await account(house, "bob@example.org"))
    size = found = 0
    tracemalloc.start()
    try:
        async for piece in ada.operations.ExportUserData(ExportUserDataRequest(user_id="me")):
            size += len(piece.data)
            found += piece.data.count(b'"collection":"messages"')
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert found == 2004
    assert size > 20_000_000
    # A few pages, of client and server together.
    assert peak < 8_000_000


async def plant_messages(house: House, person: Person, *, count: int, text: str) -> None:
    """A conversation of that many questions."""
    thread_id = (await person.threads.CreateThread(CreateThreadRequest(title="Long"))).id
    conversation = Conversation(id=thread_id, user_id=person.user_id, last_position=count)
    await plant(house, "messages", CONVERSATIONS, conversation)
    for start in range(0, count, 200):
        planted = [
            Message(
                id=f"msg_{thread_id}_{number:05}",
                thread_id=thread_id,
                user_id=person.user_id,
                role=ROLE_USER,
                status=MESSAGE_STATUS_COMPLETE,
                content=text,
                position=number + 1,
            )
            for number in range(start, start + min(200, count - start))
        ]
        await plant(house, "messages", MESSAGES, *planted)


async def test_an_export_goes_through_services_in_other_processes_and_says_which_is_away(tmp_path: Path) -> None:
    others = [service for service in EMBEDDED if service != "operations"]
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(open_house(tmp_path, *others))
        settings = Settings(
            listen="127.0.0.1:0",
            store_url="memory://",
            secret_key=SecretStr((tmp_path / "secret.key").read_text()),
            **{f"{service}_address": house.address for service in others},  # type: ignore[arg-type]
        )
        elsewhere = await stack.enter_async_context(open_process(settings, {"operations": EMBEDDED["operations"]}))
        ada = await account(house)
        await ada.threads.CreateThread(CreateThreadRequest(title="Hers"))
        here = await stack.enter_async_context(connected(elsewhere.server.address, elsewhere.tokens, ada.user_id))

        lines = parsed(await export(here))
        assert {line["service"] for line in lines} >= {"users", "threads"}

        await house.process.server.stop(0)
        with refused(StatusCode.UNAVAILABLE) as refusal:
            await export(here)
        assert refusal.error.text.startswith("users is away: ")
