"""Looking at what is stored, as JSON, without its secrets."""

from __future__ import annotations

from pathlib import Path

import pytest
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest
from llmchat.users.v1.users_service_pb2 import CreateUserRequest

from libs.common.documents.system import SYSTEM_COLLECTIONS
from libs.common.errors import NotFound
from libs.common.store.decorators.journaled import JOURNAL
from libs.common.store.open import open_store
from libs.common.store.port import Query
from services.owned import OWNED
from services.show import show
from tests.integration.conftest import House, Person


async def test_a_document_is_shown_with_the_stored_names(house: House, anna: Person, tmp_path: Path) -> None:
    thread = await anna.threads.CreateThread(CreateThreadRequest(title="Résumé"))
    shown = await show(f"sqlite:///{tmp_path / 'data'}", "threads", "threads", thread.id)
    assert (shown["id"], shown["revision"]) == (thread.id, 1)
    assert shown["document"]["title"] == "Résumé"
    assert shown["document"]["userId"] == anna.user_id
    assert shown["document"]["createdAt"] == thread.created_at.ToMilliseconds()


async def test_secrets_are_left_out_of_documents_and_of_their_journal(
    house: House, anna: Person, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'data'}"
    user = await anna.users.CreateUser(
        CreateUserRequest(username="anna@example.com", display_name="Anna", password="correct horse")
    )
    store = await open_store(url, "users", (*OWNED["users"], *SYSTEM_COLLECTIONS))
    entries = await store.query(Query.by_id(JOURNAL))
    await store.close()
    entry = next(one for one in entries if one.message.document_id == user.id)
    assert b"$2b$12$" in entry.message.after
    for shown in (await show(url, "users", "users", user.id), await show(url, "users", "journal", entry.id)):
        assert "anna@example.com" in str(shown)
        assert "$2b$" not in str(shown)


async def test_what_is_not_there_is_said_so(house: House, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'data'}"
    with pytest.raises(NotFound):
        await show(url, "threads", "threads", "thread_none")
    with pytest.raises(NotFound):
        await show(url, "threads", "nonsense", "thread_none")
