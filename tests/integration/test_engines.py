"""A house on each engine, and on two at once: nothing above the store knows which it is."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from llmchat.operations.v1.operations_service_pb2 import CheckSummary
from llmchat.threads.v1.threads_service_pb2 import SearchThreadsRequest
from pydantic import SecretStr
from rich.console import Console

from libs.client import Client
from libs.client.operator import Operator
from libs.common.settings import SERVICES, Settings
from libs.common.store.copying import Contents, contents
from libs.common.store.open import open_engine
from services.copy import copy_all
from services.initial_settings import InitialSettings
from services.initialise import initialise
from services.owned import OWNED, held_by
from tests.engines.all import SERVED
from tests.engines.houses import own_url
from tests.engines.running import Engines
from tests.integration.calling import eventually
from tests.integration.conftest import House, open_house

# Opening is slow on some of them, and all the more beside other tests.
pytestmark = pytest.mark.timeout(300)

ADA, PASSWORD = "ada@example.com", "correct horse battery"
ROOT = "root@example.com"


@pytest.fixture(params=SERVED)
def url(request: pytest.FixtureRequest, engines: Engines) -> str:
    """Room for a whole house in each engine that is served."""
    return own_url(engines(request.param).url)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Those of a house that keeps its documents where others can reach them."""
    monkeypatch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "0")
    return {"secret_key": base64.b64encode(os.urandom(32)).decode(), "migrate": "up"}


async def test_a_house_lives_on_any_engine(url: str, settings: dict[str, Any], tmp_path: Path) -> None:
    async with open_house(tmp_path, store_url=url, **settings) as house:
        await lives_and_leaves_nothing(house)


async def test_who_starts_again_finds_what_was_there(url: str, settings: dict[str, Any], tmp_path: Path) -> None:
    def opened() -> AbstractAsyncContextManager[House]:
        return open_house(tmp_path, store_url=url, **settings)

    async with opened() as house, Client(house.address) as ada:
        await ada.register(ADA, "Ada", PASSWORD)
        await ada.login(ADA, PASSWORD)
        thread = await ada.create_thread("Kept")
        answer = ada.send(thread.id, "echo", "one two three")
        before = [token async for event in answer for token in event.tokens.tokens]
    async with opened() as house, Client(house.address) as ada:
        await ada.login(ADA, PASSWORD)
        assert [thread.title async for thread in ada.list_threads()] == ["Kept"]
        resumed = ada.resume(answer.message_id, after_seq=1)
        assert [token async for event in resumed for token in event.tokens.tokens] == before[1:]


async def test_a_house_moves_to_any_engine_and_back(url: str, settings: dict[str, Any], tmp_path: Path) -> None:
    here, back = [f"sqlite:///{tmp_path / name}" for name in ("here", "back")]
    async with open_house(tmp_path, store_url=here, **settings) as house, Client(house.address) as ada:
        await ada.register(ADA, "Ada", PASSWORD)
        await ada.login(ADA, PASSWORD)
        thread = await ada.create_thread("Moving")
        async for _ in ada.send(thread.id, "echo", "one two three"):
            pass
    for source, destination in ((here, url), (url, back)):
        compared = await copy_all(source, destination, list(OWNED), Console(file=io.StringIO()))
        assert [one.name for one in compared if not one.is_equal] == []
        async with open_house(tmp_path, store_url=destination, **settings) as house, Client(house.address) as ada:
            await ada.login(ADA, PASSWORD)
            (thread,) = [thread async for thread in ada.list_threads()]
            assert thread.title == "Moving"
            async for _ in ada.send(thread.id, "echo", f"we are at {destination[:6]}"):
                pass


async def test_two_engines_make_one_house(engines: Engines, settings: dict[str, Any], tmp_path: Path) -> None:
    firestore, rtdb = [next(name for name in SERVED if name.startswith(kind)) for kind in ("firestore", "rtdb")]
    stores: dict[str, Any] = {
        "threads_store_url": own_url(engines(firestore).url),
        "operations_store_url": own_url(engines(rtdb).url),
    }
    async with open_house(tmp_path, **stores, **settings) as house:
        await lives_and_leaves_nothing(house)


async def test_an_engine_is_made_ready_once(url: str, settings: dict[str, Any]) -> None:
    initial = InitialSettings(admin=ROOT, admin_password=SecretStr(PASSWORD))
    lines: list[str] = []
    made = Settings(store_url=url, **settings)
    await initialise(made, initial, lines.append)
    assert f"administrator: {ROOT} was made" in lines
    before = await all_contents(url)
    lines.clear()
    await initialise(made, initial, lines.append)
    assert lines[-3:] == [
        "system documents: system_config was there (1), models_config was there (15)",
        "migrations: none is pending",
        f"administrator: {ROOT} was there",
    ]
    assert await all_contents(url) == before


async def lives_and_leaves_nothing(house: House) -> None:
    """Somebody has a conversation, finds it again, and deletes their account."""
    async with Client(house.address) as ada, operating(house) as operator:
        await ada.register(ADA, "Ada", PASSWORD)
        await ada.login(ADA, PASSWORD)
        thread = await ada.create_thread("A journey to Lisbon")
        answer = ada.send(thread.id, "echo", "one two three")
        said = "".join([token async for event in answer for token in event.tokens.tokens])
        assert said == "one two three"
        texts = [one.content or one.tokens.text async for one in ada.list_messages(thread.id)]
        assert texts == ["one two three", "one two three"]
        assert [one.title async for one in ada.list_threads()] == ["A journey to Lisbon"]
        person = await house.person((await ada.me()).id)
        found = await person.threads.SearchThreads(SearchThreadsRequest(query="lisb"))
        assert [one.id for one in found.threads] == [thread.id]

        deletion = await ada.delete_user()
        states = [operation async for operation in operator.watch_operation(deletion.id)]
        assert states[-1].progress == 100
        await eventually(lambda: summary(operator), lambda one: (one.orphans, one.unsettled_events) == (0, 0))


async def summary(operator: Operator) -> CheckSummary:
    steps = [step async for step in operator.check()]
    return steps[-1].summary


@asynccontextmanager
async def operating(house: House) -> AsyncIterator[Operator]:
    """Whoever holds the installation's secret key."""
    token, _ = house.process.tokens.issue_user("operator", True)
    async with Operator(dict.fromkeys(SERVICES, house.address), token=token) as operator:
        yield operator


async def all_contents(url: str) -> dict[str, Contents]:
    held: dict[str, Contents] = {}
    for service in OWNED:
        store = await open_engine(url, service, held_by(service))
        held |= {f"{service}.{spec.name}": await contents(store, spec) for spec in held_by(service)}
        await store.close()
    return held
