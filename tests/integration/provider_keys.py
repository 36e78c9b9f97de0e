"""People's provider keys as tests store, ask for and spoil them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from llmchat.operations.v1.operations_service_pb2 import ListAuditEventsRequest
from llmchat.users.stored.v1.user_pb2 import UserRecord
from llmchat.users.v1.user_pb2 import (
    KEY_PROVIDER_CLAUDE,
    KEY_PROVIDER_GOOGLE,
    KEY_PROVIDER_OPENAI,
    ProviderKeyStatus,
)
from llmchat.users.v1.users_service_pb2 import (
    GetUserRequest,
    ResolveProviderKeyRequest,
    ResolveProviderKeyResponse,
    SetProviderKeyRequest,
)

from services.users.collections import USERS
from tests.integration.accounts import administrator
from tests.integration.calling import eventually
from tests.integration.conftest import House, Person, bearing
from tests.integration.planting import documents_of, plant

CLAUDE, OPENAI, GOOGLE = KEY_PROVIDER_CLAUDE, KEY_PROVIDER_OPENAI, KEY_PROVIDER_GOOGLE
KEY = "sk-proj-canary" + "k" * 40
OTHER_KEY = "sk-proj-canary" + "o" * 40


def acting_for(house: House, person: Person, service: str = "messages") -> AbstractAsyncContextManager[Person]:
    """The service as it calls for the person."""
    token, _ = house.process.tokens.issue_service(service, person.user_id, False)
    return bearing(house.address, token, person.user_id)


async def store(person: Person, key: str = KEY, provider: Any = OPENAI, **more: Any) -> ProviderKeyStatus:
    return await person.users.SetProviderKey(SetProviderKeyRequest(provider=provider, api_key=key, **more))


async def resolve(service: Person, provider: Any = OPENAI) -> ResolveProviderKeyResponse:
    return await service.users.ResolveProviderKey(ResolveProviderKeyRequest(provider=provider))


async def shown(person: Person) -> list[ProviderKeyStatus]:
    return list((await person.users.GetUser(GetUserRequest(id="me"))).provider_keys)


async def record_of(house: House, person: Person) -> UserRecord:
    return await (await documents_of(house, "users")).get(USERS, person.user_id)


async def change(house: House, person: Person, how: Callable[[UserRecord], None]) -> None:
    """Does to the stored account what no rule would allow."""
    record = await record_of(house, person)
    how(record)
    await plant(house, "users", USERS, record)


async def audited(house: House, expected: int) -> list[tuple[str, str, str, str]]:
    """Action, actor, provider and failure of what was done with provider keys, oldest first, once there is so much."""
    async with administrator(house) as root:

        async def events() -> list[tuple[str, str, str, str]]:
            found = (await root.operations.ListAuditEvents(ListAuditEventsRequest(page_size=100))).audit_events
            return [
                (event.action.removeprefix("provider_key."), event.actor, event.entity_id, event.failure)
                for event in sorted(found, key=lambda event: (event.at.ToNanoseconds(), event.id))
                if event.action.startswith("provider_key.")
            ]

        return await eventually(events, lambda found: len(found) >= expected)
