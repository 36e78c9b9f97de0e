"""Accounts of a running house, made without the quarter of a second that a password takes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from llmchat.users.stored.v1.user_pb2 import UsernameRecord, UserRecord
from llmchat.users.v1.user_pb2 import USER_STATUS_ACTIVE
from llmchat.users.v1.users_service_pb2 import CreateAccessKeyResponse

from libs.common.clock import timestamp, wall_clock
from libs.common.documents.unit import new_id
from services.users.collections import USERNAMES, USERS
from services.users.user import username_id
from tests.integration.conftest import House, Person, bearing
from tests.integration.planting import plant
from tests.standins.accounts import ADA


async def plant_account(house: House, username: str = ADA, *, is_admin: bool = False) -> str:
    """The id of an account that is put straight into the store, and to which no password opens."""
    now = timestamp(wall_clock())
    record = UserRecord(
        id=new_id(USERS),
        username=username,
        display_name="Ada",
        created_at=now,
        updated_at=now,
        status=USER_STATUS_ACTIVE,
        is_admin=is_admin,
    )
    await plant(house, "users", USERS, record)
    await plant(house, "users", USERNAMES, UsernameRecord(id=username_id(username), user_id=record.id))
    return record.id


async def account(house: House, username: str = ADA) -> Person:
    """Somebody with such an account, signed in."""
    return await house.person(await plant_account(house, username))


@asynccontextmanager
async def administrator(house: House) -> AsyncIterator[Person]:
    """Somebody with such an account who is an administrator, signed in."""
    id = await plant_account(house, "root@example.org", is_admin=True)
    token, _ = house.process.tokens.issue_user(id, True)
    async with bearing(house.address, token, id) as root:
        yield root


@asynccontextmanager
async def operator(house: House) -> AsyncIterator[Person]:
    """Whoever holds the installation's key: an administrator without an account."""
    token, _ = house.process.tokens.issue_user("operator", True)
    async with bearing(house.address, token, "operator") as operator:
        yield operator


def program(address: str, made: CreateAccessKeyResponse) -> AbstractAsyncContextManager[Person]:
    """Whoever has the secret of an access key."""
    return bearing(address, made.secret, made.access_key.user_id)
