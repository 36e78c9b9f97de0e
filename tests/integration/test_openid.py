"""Sign-in by OpenID Connect, with ID tokens of a stand-in issuer: whose word counts, and whose account it opens."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode, aio
from llmchat.operations.v1.audit_event_pb2 import AuditEvent
from llmchat.operations.v1.operations_service_pb2 import ListAuditEventsRequest, UpdateSystemConfigRequest
from llmchat.operations.v1.system_config_pb2 import SystemConfig
from llmchat.users.stored.v1.session_pb2 import IdentityRecord
from llmchat.users.v1.user_pb2 import USER_STATUS_SUSPENDED
from llmchat.users.v1.users_service_pb2 import (
    DeleteUserRequest,
    GetUserRequest,
    LoginRequest,
    SignInWithIdTokenRequest,
)
from llmchat.users.v1.users_service_pb2_grpc import UsersServiceStub

from libs.common.store.port import Query
from services.users.collections import IDENTITIES, USERS
from tests.integration.accounts import administrator, plant_account
from tests.integration.calling import eventually, refused
from tests.integration.conftest import House, bearing, open_house
from tests.integration.planting import documents_of, plant
from tests.standins.accounts import ADA
from tests.standins.openid_issuer import StandInIssuer, serve_issuer

if TYPE_CHECKING:
    from llmchat.users.v1.users_service_pb2_grpc import UsersServiceAsyncStub

VERIFIED: dict[str, Any] = {"email": ADA, "email_verified": True}


@pytest.fixture
async def issuer() -> AsyncIterator[StandInIssuer]:
    async with serve_issuer() as issuer:
        yield issuer


@pytest.fixture
def as_set(issuer: StandInIssuer) -> dict[str, str]:
    """What the setting says of the issuer besides its audience."""
    return {"issuer": issuer.url}


@pytest.fixture
async def house(
    tmp_path: Path, issuer: StandInIssuer, as_set: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[House]:
    """A house that believes the issuer."""
    monkeypatch.setenv("LLMCHAT_OPENID_ISSUERS", issuer.setting(**as_set))
    async with open_house(tmp_path / "data") as house:
        yield house


@pytest.fixture
async def nobody(house: House) -> AsyncIterator[UsersServiceAsyncStub]:
    """Calls that carry no identity."""
    async with aio.insecure_channel(house.address) as channel:
        yield UsersServiceStub(channel)


def with_token(token: str, nonce: str = "", client_name: str = "") -> SignInWithIdTokenRequest:
    return SignInWithIdTokenRequest(id_token=token, nonce=nonce, client_name=client_name)


# Accounts


async def test_a_first_sign_in_opens_an_account_and_a_later_one_finds_it(
    house: House, nobody: UsersServiceAsyncStub, issuer: StandInIssuer
) -> None:
    first = await nobody.SignInWithIdToken(with_token(issuer.token(name="Ada Lovelace", **VERIFIED), client_name="web"))
    later = await nobody.SignInWithIdToken(with_token(issuer.token(email="new@example.com", email_verified=True)))

    assert (first.user.username, first.user.display_name) == (ADA, "Ada Lovelace")
    assert first.session.client_name == "web"
    assert later.user.id == first.user.id
    assert later.user.username == ADA
    assert later.session.id != first.session.id
    async with bearing(house.address, later.access_token, later.user.id) as ada:
        assert (await ada.users.GetUser(GetUserRequest(id="me"))).id == first.user.id
    assert [event.entity_id for event in await audited(house, "user.create", count=1)] == [first.user.id]
    assert len(await audited(house, "user.login", count=2)) == 2


async def test_where_people_open_no_accounts_a_first_sign_in_is_refused_and_a_later_one_is_not(
    house: House, nobody: UsersServiceAsyncStub, issuer: StandInIssuer
) -> None:
    ada = await nobody.SignInWithIdToken(with_token(issuer.token("ada", **VERIFIED)))
    async with administrator(house) as root:
        closed = UpdateSystemConfigRequest(
            system_config=SystemConfig(), update_mask=FieldMask(paths=["features.user_registration"])
        )
        await root.operations.UpdateSystemConfig(closed)

    with refused(StatusCode.FAILED_PRECONDITION) as refusal:
        await nobody.SignInWithIdToken(with_token(issuer.token("bob")))

    assert refusal.error.reason == "REGISTRATION_CLOSED"
    assert (await nobody.SignInWithIdToken(with_token(issuer.token("ada")))).user.id == ada.user.id
    assert len(await stored_identities(house)) == 1


async def test_two_first_sign_ins_at_once_make_one_account(
    house: House, nobody: UsersServiceAsyncStub, issuer: StandInIssuer
) -> None:
    request = with_token(issuer.token(**VERIFIED))

    answers = await asyncio.gather(*(nobody.SignInWithIdToken(request) for _ in range(4)))

    assert len({answer.user.id for answer in answers}) == 1
    assert len(await stored_identities(house)) == 1


async def test_a_username_that_another_account_has_is_not_taken_over(
    house: House, nobody: UsersServiceAsyncStub, issuer: StandInIssuer
) -> None:
    await plant_account(house, "ADA@EXAMPLE.ORG")

    with refused(StatusCode.ALREADY_EXISTS) as refusal:
        await nobody.SignInWithIdToken(with_token(issuer.token(**VERIFIED)))

    assert refusal.error.reason == "USERNAME_TAKEN"
    assert "sign in to it with its password" in refusal.error.text
    assert await stored_identities(house) == []


async def test_the_same_subject_of_another_issuer_is_another_person(
    tmp_path: Path, issuer: StandInIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve_issuer() as other:
        both = json.loads(issuer.setting()) + json.loads(other.setting())
        monkeypatch.setenv("LLMCHAT_OPENID_ISSUERS", json.dumps(both))
        async with open_house(tmp_path) as house, aio.insecure_channel(house.address) as channel:
            nobody = UsersServiceStub(channel)
            one = await nobody.SignInWithIdToken(with_token(issuer.token("ada")))
            two = await nobody.SignInWithIdToken(with_token(other.token("ada")))
    assert one.user.id != two.user.id


async def test_no_password_opens_such_an_account(nobody: UsersServiceAsyncStub, issuer: StandInIssuer) -> None:
    await nobody.SignInWithIdToken(with_token(issuer.token(**VERIFIED)))

    with refused(StatusCode.UNAUTHENTICATED) as refusal:
        await nobody.Login(LoginRequest(username=ADA, password="correct horse battery"))
    assert refusal.error.reason == "WRONG_CREDENTIALS"


async def test_a_suspended_person_stays_out(house: House, nobody: UsersServiceAsyncStub, issuer: StandInIssuer) -> None:
    user = (await nobody.SignInWithIdToken(with_token(issuer.token(**VERIFIED)))).user
    record = await (await documents_of(house, "users")).get(USERS, user.id)
    record.status = USER_STATUS_SUSPENDED
    await plant(house, "users", USERS, record)

    with refused(StatusCode.PERMISSION_DENIED) as refusal:
        await nobody.SignInWithIdToken(with_token(issuer.token(**VERIFIED)))

    assert refusal.error.reason == "ACCOUNT_SUSPENDED"
    failures = [event.failure for event in await audited(house, "user.login", count=2)]
    assert sorted(failures) == ["", "ACCOUNT_SUSPENDED"]


async def test_whoever_deletes_their_account_may_begin_anew(
    house: House, nobody: UsersServiceAsyncStub, issuer: StandInIssuer
) -> None:
    first = await nobody.SignInWithIdToken(with_token(issuer.token(**VERIFIED)))
    async with bearing(house.address, first.access_token, first.user.id) as ada:
        await ada.users.DeleteUser(DeleteUserRequest(id="me"))

    async def sign_in() -> str:
        try:
            return (await nobody.SignInWithIdToken(with_token(issuer.token(**VERIFIED)))).user.id
        except aio.AioRpcError as error:
            # While what was theirs is removed.
            return "" if error.code() is StatusCode.PERMISSION_DENIED else str(error)

    assert await eventually(sign_in, bool) != first.user.id


# What issuers say of people


@pytest.fixture
def google(issuer: StandInIssuer, as_set: dict[str, str]) -> None:
    """The issuer stands in for Google, whose keys are had from where the setting says."""
    as_set |= {"issuer": "https://accounts.google.com", "jwks_uri": issuer.jwks_uri}


@pytest.fixture
def firebase(issuer: StandInIssuer, as_set: dict[str, str]) -> None:
    """The issuer stands in for Firebase."""
    as_set |= {"issuer": "https://securetoken.google.com/our-project", "jwks_uri": issuer.jwks_uri}


@pytest.mark.usefixtures("google")
@pytest.mark.parametrize("iss", ["accounts.google.com", "https://accounts.google.com"])
async def test_a_token_as_google_makes_them(nobody: UsersServiceAsyncStub, issuer: StandInIssuer, iss: str) -> None:
    claims = {"azp": "an app of ours", "email": "ada@gmail.com", "email_verified": True, "name": "Ada"}

    answer = await nobody.SignInWithIdToken(with_token(issuer.token("1089", iss=iss, **claims)))

    assert (answer.user.username, answer.user.display_name) == ("ada@gmail.com", "Ada")


@pytest.mark.usefixtures("firebase")
@pytest.mark.parametrize("email", [None, ADA])
async def test_a_token_as_firebase_makes_them(
    nobody: UsersServiceAsyncStub, issuer: StandInIssuer, email: str | None
) -> None:
    claims = {
        "iss": "https://securetoken.google.com/our-project",
        "auth_time": int(time.time()),
        "user_id": "x7Kp",
        "email": email,
        "email_verified": False if email else None,
        "firebase": {"identities": {}, "sign_in_provider": "password" if email else "anonymous"},
    }
    answer = await nobody.SignInWithIdToken(with_token(issuer.token("x7Kp", **claims)))

    # Anyone may give Firebase any address: it is not theirs before it is verified.
    assert answer.user.username.endswith("@securetoken.google.com")


async def test_a_person_without_an_address_has_a_name_of_the_issuers(
    nobody: UsersServiceAsyncStub, issuer: StandInIssuer
) -> None:
    answer = await nobody.SignInWithIdToken(with_token(issuer.token("583231", login="octocat")))

    assert answer.user.username.endswith("@127.0.0.1")
    assert answer.user.display_name == "octocat"


@pytest.fixture
def corporate(as_set: dict[str, str]) -> None:
    """An issuer that gives its people their addresses in a claim of its own."""
    as_set["username_claim"] = "upn"


@pytest.mark.usefixtures("corporate")
async def test_a_setting_names_the_claim_whose_addresses_count(
    nobody: UsersServiceAsyncStub, issuer: StandInIssuer
) -> None:
    answer = await nobody.SignInWithIdToken(with_token(issuer.token(upn="ada@corp.example", email="other@example.com")))
    assert answer.user.username == "ada@corp.example"


async def test_whatever_a_person_is_called_becomes_a_display_name(
    nobody: UsersServiceAsyncStub, issuer: StandInIssuer
) -> None:
    called: dict[str, dict[str, Any]] = {
        "bAda/b Countess ofLovelace": {"name": ' <b>Ada</b>\n"Countess" `of`\\Lovelace\x07 '},
        "é" * 100: {"name": "é" * 150},
        "Ada": {"name": "Ada \ud83d"},
        "countess": {"name": "<>", "preferred_username": "countess"},
        "ada": {"name": 7, **VERIFIED},
    }
    for shown, said in called.items():
        answer = await nobody.SignInWithIdToken(with_token(issuer.token(shown, **said)))
        assert answer.user.display_name == shown


async def test_an_address_that_no_account_may_have_is_none(
    nobody: UsersServiceAsyncStub, issuer: StandInIssuer
) -> None:
    for subject, address in enumerate(("no address", "ada@exämple.org", 7, f"{'a' * 250}@example.org")):
        token = issuer.token(str(subject), email=address, email_verified=True)
        answer = await nobody.SignInWithIdToken(with_token(token))
        assert answer.user.username.endswith("@127.0.0.1")


# Refusals


async def test_a_token_that_is_not_valid_is_refused_without_a_word_of_what_is_in_it(
    nobody: UsersServiceAsyncStub, issuer: StandInIssuer
) -> None:
    with refused(StatusCode.UNAUTHENTICATED) as refusal:
        await nobody.SignInWithIdToken(with_token(issuer.token(aud="another")))
    assert (refusal.error.reason, refusal.error.text) == ("INVALID_ID_TOKEN", "the ID token is not valid")


async def test_an_issuer_that_does_not_answer_is_not_the_tokens_fault(
    nobody: UsersServiceAsyncStub, issuer: StandInIssuer
) -> None:
    issuer.status = 503
    with refused(StatusCode.UNAVAILABLE) as refusal:
        await nobody.SignInWithIdToken(with_token(issuer.token()))
    assert refusal.error.reason == "ISSUER_UNAVAILABLE"


async def test_without_issuers_there_is_no_such_sign_in(tmp_path: Path, issuer: StandInIssuer) -> None:
    async with open_house(tmp_path) as house, aio.insecure_channel(house.address) as channel:
        with refused(StatusCode.FAILED_PRECONDITION) as refusal:
            await UsersServiceStub(channel).SignInWithIdToken(with_token(issuer.token()))
    assert refusal.error.reason == "OPENID_OFF"


async def stored_identities(house: House) -> list[IdentityRecord]:
    return await (await documents_of(house, "users")).query(Query.by_id(IDENTITIES))


async def audited(house: House, action: str, *, count: int) -> list[AuditEvent]:
    """What the audit log says of the action, once it has so many entries."""
    async with administrator(house) as root:

        async def events() -> list[AuditEvent]:
            answer = await root.operations.ListAuditEvents(ListAuditEventsRequest(action=action))
            return list(answer.audit_events)

        return await eventually(events, lambda found: len(found) >= count)
