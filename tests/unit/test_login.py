"""What a failed login has done, step by step: nothing of it tells whether anybody has the name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import bcrypt
import pytest
from llmchat.users.stored.v1.user_pb2 import UsernameRecord, UserRecord
from llmchat.users.v1.user_pb2 import USER_STATUS_ACTIVE
from llmchat.users.v1.users_service_pb2 import LoginRequest

from libs.common.clock import wall_clock
from libs.common.context import Call
from libs.common.crypto.passwords import Passwords
from libs.common.crypto.requests import RequestSeal
from libs.common.crypto.tokens import Tokens
from libs.common.documents.documents import Documents
from libs.common.documents.pages import PageTokens
from libs.common.documents.system import SYSTEM_COLLECTIONS
from libs.common.documents.unit import Unit
from libs.common.errors import Unauthenticated
from libs.common.events.in_process_bus import InProcessBus
from libs.common.events.outbox import Outbox
from libs.common.rpc.interceptors.revocations import Revocations
from libs.common.store.memory import MemoryStore
from libs.common.store.port import CollectionSpec, Query, Stored, Write
from services.users.collections import COLLECTIONS, USERNAMES, USERS
from services.users.login import Login
from services.users.revocations import RevocationLog
from services.users.session_tokens import RefreshTokens
from services.users.sessions import Sessions
from services.users.throttle import Throttle
from services.users.user import username_id
from tests.standins.accounts import ADA, PASSWORD
from tests.unit.configured import live_config

CALL = Call(method="/Login", address="192.0.2.1")


class ToldStore(MemoryStore):
    """Tells what it is asked, in order."""

    def __init__(self) -> None:
        super().__init__([*COLLECTIONS, *SYSTEM_COLLECTIONS])
        self.steps: list[tuple[str, ...]] = []

    async def get(self, spec: CollectionSpec[Any], id: str) -> Stored[Any] | None:
        self.steps.append(("get", spec.name))
        return await super().get(spec, id)

    async def query(self, query: Query[Any]) -> list[Stored[Any]]:
        self.steps.append(("query", query.spec.name))
        return await super().query(query)

    async def commit(self, writes: Sequence[Write]) -> None:
        self.steps.append(("commit", *(write.collection for write in writes)))
        await super().commit(writes)


@pytest.fixture
def store() -> ToldStore:
    return ToldStore()


@pytest.fixture
async def login(store: ToldStore, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Login]:
    """Logins over the store, in which Ada has an account whose hash is of a lower cost than new ones."""
    bus = InProcessBus()
    documents = Documents(store, wall_clock, PageTokens([b"p" * 32]), RequestSeal([b"d" * 32]))
    outbox = Outbox("users", documents, bus, replica="one")
    revocations = RevocationLog(Revocations(wall_clock), bus, 900, wall_clock)
    tokens, refresh_tokens = Tokens([b"t" * 32]), RefreshTokens([b"r" * 32])
    sessions = Sessions(
        documents, outbox, revocations, tokens, refresh_tokens, live_config(), token_life=900, session_life=900
    )
    older, passwords = Passwords(cost=4), Passwords(cost=6)
    hashed = await older.hash(PASSWORD)

    async def register(unit: Unit) -> None:
        unit.create(USERS, UserRecord(id="user_ada", username=ADA, password_hash=hashed, status=USER_STATUS_ACTIVE))
        unit.create(USERNAMES, UsernameRecord(id=username_id(ADA), user_id="user_ada"))

    await documents.unit(register)
    check = bcrypt.checkpw

    def told(password: bytes, hashed: bytes) -> bool:
        store.steps.extend([("bcrypt round",)] * 2 ** int(hashed.split(b"$")[2]))
        return check(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", told)
    yield Login(documents, outbox, passwords, Throttle(documents, failures=5, longest_wait=300), sessions)
    older.close()
    passwords.close()


async def test_a_known_and_an_unknown_name_have_the_same_done_in_the_same_order(login: Login, store: ToldStore) -> None:
    known, unknown = await steps_of(login, store, ADA), await steps_of(login, store, "nobody@example.org")

    assert known == unknown
    assert known == [
        ("get", "login_attempts"),
        ("get", "login_attempts"),
        ("commit", "login_attempts", "login_attempts"),
        ("get", "usernames"),
        ("get", "users"),
        *[("bcrypt round",)] * 2**6,
        ("commit", "outbox"),
    ]


async def test_the_right_password_has_an_older_hash_replaced_by_one_of_the_current_cost(
    login: Login, store: ToldStore
) -> None:
    for _ in range(2):
        answer = await login.login(CALL, LoginRequest(username=ADA, password=PASSWORD))

    stored = await store.get(USERS, answer.user.id)
    assert stored is not None
    assert stored.message.password_hash.startswith("$2b$06$")


async def test_logins_at_the_same_moment_are_let_in_though_the_first_has_the_hash_replaced(login: Login) -> None:
    request = LoginRequest(username=ADA, password=PASSWORD)

    answers = await asyncio.gather(*(login.login(CALL, request) for _ in range(5)))

    assert len({answer.session.id for answer in answers}) == 5


async def steps_of(login: Login, store: ToldStore, username: str) -> list[tuple[str, ...]]:
    """What a failed login has the store and bcrypt do."""
    store.steps.clear()
    with pytest.raises(Unauthenticated):
        await login.login(CALL, LoginRequest(username=username, password="a guess"))
    # The outbox is read by the delivery of its events, too, at any time.
    return [step for step in store.steps if step not in (("get", "outbox"), ("query", "outbox"))]
