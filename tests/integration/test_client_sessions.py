"""The client's sign-in against the real services: it outlives its access tokens, and ends when it is ended."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from llmchat.operations.v1.operations_service_pb2 import EXPORT_FORMAT_CSV
from llmchat.threads.v1.threads_service_pb2 import ThreadChange
from llmchat.users.v1.user_pb2 import KEY_PROVIDER_OPENAI

from libs.client import Client
from libs.client.credentials import Credentials, KeptSession
from libs.client.session import Session
from libs.common.clock import wall_clock
from libs.common.errors import Denied, NotFound, Unauthenticated
from libs.common.opening import open_process
from libs.common.settings import Settings
from services.__main__ import EMBEDDED
from tests.integration.conftest import open_house
from tests.integration.servers_clock import TOKEN_LIFE, ServersClock
from tests.standins.openid_issuer import serve_issuer

ADA = "ada@example.com"
PASSWORD = "correct horse battery"
NEW_PASSWORD = "a staple of my own"


@pytest.fixture
def clock() -> ServersClock:
    return ServersClock()


@pytest.fixture
async def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: ServersClock) -> AsyncIterator[str]:
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "0")
    settings = Settings(
        listen="127.0.0.1:0", store_url=f"sqlite:///{tmp_path / 'data'}", stop_grace=0, token_life=TOKEN_LIFE
    )
    async with open_process(settings, EMBEDDED, clock=clock) as process:
        yield process.server.address


@pytest.fixture
def told() -> list[Session]:
    """The sessions that Ada's client has told."""
    return []


@pytest.fixture
async def ada(address: str, told: list[Session]) -> AsyncIterator[Client]:
    async with Client(address, patience=5, on_session=told.append) as client:
        await client.register(ADA, "Ada", PASSWORD)
        await client.login(ADA, PASSWORD, client_name="Ada's laptop")
        yield client


@pytest.fixture
async def phone(address: str, ada: Client) -> AsyncIterator[Client]:
    """Ada, signed in a second time."""
    async with Client(address, patience=5) as client:
        await client.login(ADA, PASSWORD, client_name="Ada's phone")
        yield client


async def test_calls_go_on_after_their_token_has_expired(ada: Client, clock: ServersClock, told: list[Session]) -> None:
    for refreshes in range(1, 3):
        clock.let_tokens_expire()
        await asyncio.gather(*(ada.create_thread() for _ in range(20)))
        assert len(told) == 1 + refreshes, "one refresh for all of them"

    assert len([thread async for thread in ada.list_threads(page_size=7)]) == 40
    assert told[-1] == ada.session
    assert len({session.token for session in told}) == len({session.refresh_token for session in told}) == 3


async def test_a_page_that_comes_after_the_token_has_expired(ada: Client, clock: ServersClock) -> None:
    ids = {(await ada.create_thread()).id for _ in range(3)}
    listed = ada.list_threads(page_size=1)
    found = {(await anext(listed)).id}
    clock.let_tokens_expire()

    assert found | {thread.id async for thread in listed} == ids


async def test_streams_are_opened_after_their_token_has_expired(ada: Client, clock: ServersClock) -> None:
    thread = await ada.create_thread()
    clock.let_tokens_expire()
    answer = ada.send(thread.id, "echo", "Hello there")
    await answer.read()
    clock.let_tokens_expire()
    again = ada.resume(answer.message_id)
    await again.read()
    clock.let_tokens_expire()
    watch = ada.watch_threads()
    first, synced = await anext(watch), await anext(watch)

    assert answer.text == again.text == "Hello there"
    assert answer.reopened == again.reopened == 0, "a refusal is no outage"
    assert (first.thread.id, synced.HasField("synced")) == (thread.id, True)
    assert len([message async for message in ada.list_messages(thread.id)]) == 2


async def test_a_sign_in_goes_on_in_another_process(address: str, ada: Client, clock: ServersClock) -> None:
    session = ada.session
    assert session is not None
    await ada.close()
    clock.let_tokens_expire()

    async with Client(address, session=session) as later:
        assert (await later.me()).username == ADA


async def test_a_refresh_whose_answer_was_lost_costs_nothing(address: str, ada: Client, clock: ServersClock) -> None:
    before = ada.session
    clock.let_tokens_expire()
    await ada.me()

    # As after a crash between the refresh and its keeping.
    async with Client(address, session=before) as later:
        assert (await later.me()).username == ADA
    assert (await ada.me()).username == ADA


async def test_a_refresh_token_that_is_used_by_another_ends_the_sign_in(
    address: str, ada: Client, clock: ServersClock
) -> None:
    assert ada.session is not None
    stolen = replace(ada.session, refresh_id="the thief's own")
    clock.let_tokens_expire()
    await ada.me()

    async with Client(address, session=stolen) as thief:
        with pytest.raises(Unauthenticated):
            await thief.me()
    with pytest.raises(Unauthenticated):
        await ada.me()


async def test_several_go_on_with_one_sign_in_by_a_file(
    address: str, ada: Client, clock: ServersClock, tmp_path: Path
) -> None:
    kept = KeptSession(Credentials(tmp_path / "credentials.json"), address)
    assert ada.session is not None
    kept.put(ada.session)
    async with (
        Client(address, session=kept.get(), on_session=kept.put, shared=kept.shared) as one,
        Client(address, session=kept.get(), on_session=kept.put, shared=kept.shared) as other,
    ):
        for _ in range(3):
            clock.let_tokens_expire()
            await asyncio.gather(one.me(), other.me())

        assert kept.get() == one.session == other.session


async def test_sessions_are_listed_and_ended(ada: Client, phone: Client) -> None:
    newest, oldest = [session async for session in ada.sessions(page_size=1)]
    assert (newest.client_name, newest.is_current) == ("Ada's phone", False)
    assert (oldest.client_name, oldest.is_current) == ("Ada's laptop", True)

    await ada.revoke_session(newest.id)

    with pytest.raises(Unauthenticated) as ended:
        await phone.me()
    assert ended.value.reason == "SIGN_IN_ENDED"
    assert [session.id async for session in ada.sessions()] == [oldest.id]


async def test_a_watch_ends_with_its_sign_in(ada: Client, phone: Client) -> None:
    watch = phone.watch_threads()
    assert (await anext(watch)).HasField("synced")

    async def rest() -> list[ThreadChange]:
        return [change async for change in watch]

    watching = asyncio.create_task(rest())
    session = await anext(aiter(ada.sessions()))
    await ada.revoke_session(session.id)

    with pytest.raises(Unauthenticated) as ended:
        await asyncio.wait_for(watching, 5)
    assert ended.value.reason == "SIGN_IN_ENDED"


async def test_who_logs_out_is_nobody(address: str, ada: Client) -> None:
    session = ada.session
    await ada.logout()

    assert ada.session is None
    with pytest.raises(Unauthenticated):
        await ada.me()
    async with Client(address, session=session) as later:
        with pytest.raises(Unauthenticated):
            await later.me()


async def test_another_password_ends_the_other_sign_ins(address: str, ada: Client, phone: Client) -> None:
    with pytest.raises(Denied):
        await ada.change_password("not this one", NEW_PASSWORD)
    await ada.change_password(PASSWORD, NEW_PASSWORD)

    assert (await ada.me()).username == ADA
    with pytest.raises(Unauthenticated):
        await phone.me()
    async with Client(address) as anew:
        with pytest.raises(Unauthenticated):
            await anew.login(ADA, PASSWORD)
        await anew.login(ADA, NEW_PASSWORD)


async def test_signing_in_asks_for_no_good_token(address: str) -> None:
    async with Client(address, token="of an installation that is gone") as client:
        await client.register(ADA, "Ada", PASSWORD)
        await client.login(ADA, PASSWORD)

        assert (await client.me()).username == ADA


async def test_an_access_key_acts_within_what_it_may(address: str, ada: Client) -> None:
    thread = await ada.create_thread("Plans")
    made = await ada.create_access_key("reader", ["thread.read", "thread.list"], expires_at=wall_clock() + 3_600_000)

    async with Client(address, token=made.secret) as program:
        assert (await program.get_thread(thread.id)).title == "Plans"
        with pytest.raises(Denied):
            await program.delete_thread(thread.id)
        [listed] = [key async for key in ada.access_keys()]
        assert (listed.id, listed.name) == (made.access_key.id, "reader")
        assert made.secret not in str(listed)

        await ada.revoke_access_key(listed.id)
        with pytest.raises(Unauthenticated):
            await program.get_thread(thread.id)
    assert [key async for key in ada.access_keys()] == []


async def test_a_key_for_a_provider_is_kept_and_not_shown(ada: Client) -> None:
    status = await ada.set_provider_key(KEY_PROVIDER_OPENAI, "sk-of-ada-alone")

    assert (status.provider, status.is_valid) == (KEY_PROVIDER_OPENAI, True)
    me = await ada.me()
    assert list(me.provider_keys) == [status]
    assert "sk-of-ada-alone" not in str(me)

    await ada.delete_provider_key(KEY_PROVIDER_OPENAI)
    assert list((await ada.me()).provider_keys) == []
    with pytest.raises(NotFound):
        await ada.delete_provider_key(KEY_PROVIDER_OPENAI)


async def test_everything_of_a_person_is_exported(ada: Client, clock: ServersClock) -> None:
    thread = await ada.create_thread("Plans")
    await ada.send(thread.id, "echo", "Remember the milk").read()
    clock.let_tokens_expire()

    lines = b"".join([piece async for piece in ada.export()]).decode().splitlines()
    table = b"".join([piece async for piece in ada.export(EXPORT_FORMAT_CSV)]).decode()

    services = {service for service, _ in itertools.groupby(json.loads(line)["service"] for line in lines)}
    assert {"users", "threads", "messages"} <= services
    assert "Remember the milk" in table
    assert PASSWORD not in table + "".join(lines)


async def test_an_id_token_of_a_stand_in_issuer_signs_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve_issuer() as issuer:
        monkeypatch.setenv("LLMCHAT_OPENID_ISSUERS", issuer.setting())
        async with open_house(tmp_path / "data") as house, Client(house.address) as client:
            token = issuer.token(email=ADA, email_verified=True, nonce="asked-for")
            answer = await client.sign_in_with_id_token(token, nonce="asked-for", client_name="Ada's browser")

            assert (await client.me()).id == answer.user.id
            assert client.session is not None
            assert client.session.refresh_token
            assert [session.client_name async for session in client.sessions()] == ["Ada's browser"]


async def test_a_message_is_shown_as_html_on_request(ada: Client) -> None:
    thread = await ada.create_thread()
    answer = ada.send(thread.id, "echo", "**milk**")
    await answer.read()

    assert "<strong>milk</strong>" in (await ada.get_message(answer.message_id, html=True)).html
    assert (await ada.get_message(answer.message_id)).html == ""
    assert all([message.html async for message in ada.list_messages(thread.id, html=True)])
