"""One's own profile: reading and changing it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode, aio
from llmchat.users.stored.v1.user_pb2 import UserRecord
from llmchat.users.v1.user_pb2 import User, UserSettings
from llmchat.users.v1.users_service_pb2 import GetUserRequest, UpdateUserRequest
from llmchat.users.v1.users_service_pb2_grpc import UsersServiceStub

from libs.common.errors import Invalid
from tests.integration.calling import SignedIn, refused, sign_in
from tests.integration.conftest import House
from tests.standins.accounts import registration

ME = GetUserRequest(id="me")


@pytest.fixture
async def user(house: House) -> User:
    """Ada's profile as it is after registering."""
    async with aio.insecure_channel(house.address) as channel:
        return await UsersServiceStub(channel).CreateUser(registration())


@pytest.fixture
async def ada(house: House, user: User) -> AsyncIterator[SignedIn]:
    """Calls in Ada's name."""
    async with sign_in(house.process, UsersServiceStub, user.id) as [ada]:
        yield ada


def update(*paths: str, id: str = "me", request_id: str = "", **changed: Any) -> UpdateUserRequest:
    """A change of the fields `paths` to those of `changed`; based on no revision unless that gives an etag."""
    return UpdateUserRequest(user=User(id=id, **changed), update_mask=FieldMask(paths=paths), request_id=request_id)


async def test_a_user_reads_their_profile_by_id_or_as_me(ada: SignedIn, user: User) -> None:
    assert await ada.GetUser(ME) == user
    assert await ada.GetUser(GetUserRequest(id=user.id)) == user


async def test_another_persons_profile_looks_like_one_that_does_not_exist(house: House, user: User) -> None:
    async with sign_in(house.process, UsersServiceStub, "user_bob") as [bob]:
        with refused(StatusCode.NOT_FOUND) as anothers:
            await bob.GetUser(GetUserRequest(id=user.id))
        with refused(StatusCode.NOT_FOUND) as absent:
            await bob.GetUser(GetUserRequest(id="user_x"))
        with refused(StatusCode.NOT_FOUND):
            await bob.UpdateUser(update("display_name", id=user.id, display_name="Eve"))

    assert anothers.error.text.replace(user.id, "") == absent.error.text.replace("user_x", "")


async def test_a_profile_is_read_and_changed_with_an_identity_only(house: House, user: User) -> None:
    async with aio.insecure_channel(house.address) as channel:
        nobody = UsersServiceStub(channel)
        with refused(StatusCode.UNAUTHENTICATED):
            await nobody.GetUser(ME)
        with refused(StatusCode.UNAUTHENTICATED):
            await nobody.UpdateUser(update("display_name", id=user.id, display_name="Eve"))


async def test_an_update_changes_what_its_mask_names_and_nothing_else(ada: SignedIn, user: User) -> None:
    settings = UserSettings(default_model="gpt-5", system_prompt="not named")

    changed = await ada.UpdateUser(
        update("display_name", "settings.default_model", display_name="Countess", settings=settings)
    )

    assert changed.display_name == "Countess"
    assert changed.settings.default_model == "gpt-5"
    assert changed.settings.system_prompt == user.settings.system_prompt
    assert changed.etag == "2"
    assert changed == await ada.GetUser(ME)


async def test_a_setting_that_is_named_without_a_value_gets_its_default(ada: SignedIn, user: User) -> None:
    mine = UserSettings(default_model="gpt-5", default_temperature=0, streaming_enabled=False)
    await ada.UpdateUser(update("settings", settings=mine))

    one = await ada.UpdateUser(update("settings.default_temperature"))
    whole = await ada.UpdateUser(update("settings"))

    assert (one.settings.default_temperature, one.settings.default_model) == (0.7, "gpt-5")
    assert whole.settings == user.settings


async def test_an_update_on_a_stale_etag_is_refused(ada: SignedIn, user: User) -> None:
    await ada.UpdateUser(update("display_name", display_name="First", etag=user.etag))

    with refused(StatusCode.ABORTED) as refusal:
        await ada.UpdateUser(update("display_name", display_name="Second", etag=user.etag))

    assert refusal.error.reason == "STALE_ETAG"
    assert (await ada.GetUser(ME)).display_name == "First"


async def test_a_mask_may_name_what_can_be_changed_only(ada: SignedIn, user: User) -> None:
    fixed = ["id", "username", "password_hash", "is_admin", "nickname", "settings.color", "settings.theme.x", "*", ""]

    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await ada.UpdateUser(update("display_name", *fixed, display_name="Eve"))
    with refused(StatusCode.INVALID_ARGUMENT) as empty:
        await ada.UpdateUser(update(display_name="Eve"))

    assert refusal.fields == empty.fields == {"update_mask"}
    assert isinstance(refusal.error, Invalid)
    assert len(refusal.error.violations) == len(fixed)
    assert await ada.GetUser(ME) == user


async def test_an_update_may_not_leave_a_profile_that_breaks_the_rules(ada: SignedIn, user: User) -> None:
    too_hot = UserSettings(default_temperature=1.01)

    with refused(StatusCode.INVALID_ARGUMENT) as no_name:
        await ada.UpdateUser(update("display_name"))
    with refused(StatusCode.INVALID_ARGUMENT) as both:
        await ada.UpdateUser(update("display_name", "settings", display_name="`", settings=too_hot))

    assert no_name.fields == {"user.display_name"}
    assert both.fields == {"user.display_name", "user.settings.default_temperature"}
    assert await ada.GetUser(ME) == user


async def test_an_update_without_a_user_or_a_mask_is_told_so(ada: SignedIn) -> None:
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await ada.UpdateUser(UpdateUserRequest())

    assert refusal.fields == {"user", "update_mask"}


async def test_a_repeated_update_gets_the_first_answer_and_another_body_is_refused(ada: SignedIn, user: User) -> None:
    request = update("display_name", display_name="Countess", etag=user.etag, request_id="once")

    first = await ada.UpdateUser(request)
    repeat = await ada.UpdateUser(request)
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await ada.UpdateUser(update("display_name", display_name="Duchess", request_id="once"))

    assert first == repeat
    assert refusal.error.reason == "REQUEST_ID_REUSED"


def test_the_view_of_an_account_has_no_field_for_what_is_kept_from_its_owner() -> None:
    hidden = set(UserRecord.DESCRIPTOR.fields_by_name) - set(User.DESCRIPTOR.fields_by_name)

    assert hidden == {"password_hash", "api_keys", "is_admin", "schema_version"}
