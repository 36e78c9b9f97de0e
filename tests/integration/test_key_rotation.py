"""The secret key of a running installation is replaced, and nobody notices: real restarts on one data folder."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
from grpc import aio
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, ListThreadsRequest
from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceStub
from llmchat.users.v1.user_pb2 import KEY_PROVIDER_OPENAI

from libs.client import Client
from libs.client.operator import Operator
from libs.client.session import Session
from libs.common.crypto.keys import KeyRing
from libs.common.errors import Unauthenticated
from libs.common.settings import SERVICES
from tests.integration.conftest import House, open_house
from tests.integration.test_cli import run

PASSWORD = "correct horse battery"

# Runs `llmchat secret …` on the data folder.
Secret = Callable[..., Awaitable[subprocess.CompletedProcess[str]]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def secret(folder: Path) -> Secret:
    async def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(partial(run, "secret", *arguments, "--data", str(folder), environment={}))

    return command


@dataclass
class Made:
    """What somebody has in hand that the secret key has signed, sealed or hashed."""

    session: Session
    access_key: str
    page_token: str
    request: CreateThreadRequest
    thread_id: str


async def make(house: House) -> Made:
    async with Client(house.address) as ada:
        await ada.register("ada@example.com", "Ada", PASSWORD)
        await ada.login("ada@example.com", PASSWORD)
        key = await ada.create_access_key("reader", ["thread.list"])
        await ada.set_provider_key(KEY_PROVIDER_OPENAI, "sk-proj-0123456789abcdefghijklmnop")
        await ada.create_thread("first")
        session = ada.session
        assert session is not None
        async with aio.insecure_channel(house.address) as channel:
            threads, authorization = ThreadsServiceStub(channel), bearer(session.token)
            request = CreateThreadRequest(title="once", request_id="the-same")
            thread = await threads.CreateThread(request, metadata=authorization)
            page = await threads.ListThreads(ListThreadsRequest(page_size=1), metadata=authorization)
    return Made(session, key.secret, page.next_page_token, request, thread.id)


async def use(house: House, made: Made) -> Made:
    """Uses all of it but the refresh token, which is good once: that is used by a session of its own."""
    async with aio.insecure_channel(house.address) as channel:
        threads = ThreadsServiceStub(channel)
        by_token = bearer(made.session.token)
        page = await threads.ListThreads(ListThreadsRequest(page_size=1, page_token=made.page_token), metadata=by_token)
        assert [thread.title for thread in page.threads] == ["first"]
        repeated = await threads.CreateThread(made.request, metadata=by_token)
        assert repeated.id == made.thread_id
        listed = await threads.ListThreads(ListThreadsRequest(), metadata=bearer(made.access_key))
        assert len(listed.threads) == 2
    async with Client(house.address, session=replace(made.session, renew_at=1)) as ada:
        assert (await ada.me()).username == "ada@example.com"
        assert ada.session is not None
        return replace(made, session=replace(ada.session, token=made.session.token))


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


async def test_until_the_old_key_is_removed_nothing_is_refused(folder: Path, secret: Secret) -> None:
    async with open_house(folder) as house:
        made = await make(house)
    [old] = KeyRing.load_or_create(folder / "secret.key").keys

    for step in ("add", "promote"):
        assert (await secret(step)).returncode == 0
        for _ in range(2):
            async with open_house(folder) as house:
                made = await use(house, made)
    async with open_house(folder) as house:
        token, _ = house.process.tokens.issue_user("operator", True)
        async with Operator(dict.fromkeys(SERVICES, house.address), token=token) as operator:
            done = await operator.reencrypt_provider_keys()
    assert dict(done.keys) == {done.current_key_id: 1}

    assert (await secret("remove", old.id)).returncode == 0
    assert old not in KeyRing.load_or_create(folder / "secret.key").keys
    async with open_house(folder) as house:
        # Carried on since the new key is current: the sign-in by its refresh, the access key by its use.
        async with Client(house.address, session=replace(made.session, renew_at=1)) as ada:
            assert (await ada.me()).username == "ada@example.com"
            assert [key.is_valid for key in (await ada.me()).provider_keys] == [True]
        async with Client(house.address, token=made.access_key) as reader:
            assert len([thread async for thread in reader.list_threads()]) == 2
        async with Client(house.address, token=made.session.token) as late:
            with pytest.raises(Unauthenticated):
                await late.me()


async def test_one_process_alone_needs_no_restart_between_adding_and_promoting(folder: Path, secret: Secret) -> None:
    async with open_house(folder) as house:
        made = await make(house)

    await secret("add")
    await secret("promote")

    async with open_house(folder) as house:
        await use(house, made)


async def test_the_steps_say_what_comes_next_and_show_no_key(folder: Path, secret: Secret) -> None:
    old = KeyRing.load_or_create(folder / "secret.key").current

    early = await secret("promote")
    added = await secret("add")
    promoted = await secret("promote")
    in_use = await secret("remove", KeyRing.load_or_create(folder / "secret.key").current.id)
    removed = await secret("remove", old.id)
    listed = await secret()

    assert (early.returncode, early.stderr) == (1, "error: there is one key alone: add one first\n")
    assert f"{old.id}  current" in added.stdout
    assert "restart every process" in added.stderr
    assert "llmchat secret promote" in added.stderr
    assert f"llmchat secret remove {old.id}" in promoted.stderr
    assert (in_use.returncode, in_use.stderr) == (1, "error: it is the current key: promote another one first\n")
    assert removed.returncode == 0
    new = KeyRing.load_or_create(folder / "secret.key").current
    assert listed.stdout == f"{new.id}  current\n"
    shown = "".join(result.stdout + result.stderr for result in (early, added, promoted, in_use, removed, listed))
    assert old.encoded not in shown
    assert new.encoded not in shown
    assert (await secret("--show")).stdout == f"{new.encoded}\n"


def test_keys_of_a_setting_are_printed_only_when_that_is_asked_for(tmp_path: Path) -> None:
    old = KeyRing.generate()
    environment = {"LLMCHAT_SECRET_KEY": old.encoded}

    unasked = run("secret", "add", environment=environment)
    asked = run("secret", "add", "--show", environment=environment)

    assert (unasked.returncode, unasked.stdout) == (1, "")
    assert "--show prints what to set" in unasked.stderr
    assert KeyRing.parse(asked.stdout).keys[0] == old.current
    assert len(KeyRing.parse(asked.stdout).keys) == 2
