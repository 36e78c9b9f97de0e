"""Tokens stand for who they were issued to, and anything changed, foreign or late is refused."""

import base64
import json
import time
from itertools import pairwise
from typing import Any

import jwt
import pytest

from libs.common import errors
from libs.common.context import Caller, Verified
from libs.common.crypto.tokens import Tokens

KEY = b"k" * 64
ANOTHER = b"x" * 64
NOW = 1_800_000_000_000


def tokens_at(now: int, key: bytes = KEY) -> Tokens:
    return Tokens([key], clock=lambda: now)


TOKENS = tokens_at(NOW)
KID = jwt.get_unverified_header(TOKENS.issue_user("user_ada", False)[0])["kid"]
CLAIMS: dict[str, Any] = {
    "iss": "llmchat",
    "aud": "llmchat",
    "typ": "user",
    "sub": "user_ada",
    "sid": "session_1",
    "admin": False,
    "iat": NOW // 1000,
    "exp": NOW // 1000 + 60,
}


def forged(key: Any = KEY, algorithm: str = "HS256", kid: str | None = KID, **changes: Any) -> str:
    """A token with other claims than an issued one; a claim set to None is left out."""
    claims = {name: value for name, value in (CLAIMS | changes).items() if value is not None}
    return jwt.encode(claims, key, algorithm, headers={"kid": kid} if kid else None)


def with_header(**header: Any) -> str:
    """A token whose header holds what PyJWT itself would not write."""
    _, payload, signature = forged().split(".")
    encoded = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "typ": "JWT", **header}).encode()).rstrip(b"=")
    return f"{encoded.decode()}.{payload}.{signature}"


def test_a_users_token_stands_for_the_user_and_their_session_for_a_quarter_of_an_hour() -> None:
    token, expires_at = TOKENS.issue_user("user_ada", is_admin=True, session_id="session_1")

    ada = Caller(user_id="user_ada", is_admin=True, session_id="session_1")
    assert expires_at == NOW + 900_000
    assert TOKENS.verify(token) == Verified(ada, NOW, expires_at)


def test_a_services_token_stands_for_both_for_five_minutes() -> None:
    token, expires_at = TOKENS.issue_service("operations", "user_ada", is_admin=False)

    assert expires_at == NOW + 300_000
    assert TOKENS.verify(token) == Verified(Caller(user_id="user_ada", service="operations"), NOW, expires_at)


def test_a_service_may_act_for_nobody() -> None:
    token, _ = TOKENS.issue_service("operations", "", is_admin=False)

    assert TOKENS.verify(token).caller == Caller(service="operations")


def test_a_token_lives_until_the_millisecond_it_says() -> None:
    token, expires_at = TOKENS.issue_user("user_ada", False, life=10)

    tokens_at(expires_at - 1).verify(token)
    with pytest.raises(errors.Unauthenticated, match="expired") as caught:
        tokens_at(expires_at).verify(token)
    assert caught.value.reason == "TOKEN_EXPIRED"


def test_the_forgery_of_these_tests_is_good_where_nothing_is_changed() -> None:
    assert TOKENS.verify(forged()).caller == Caller(user_id="user_ada", session_id="session_1")


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="empty"),
        pytest.param("a.b", id="two parts"),
        pytest.param("a.b.c", id="not base64 of JSON"),
        pytest.param("ü.ü.ü", id="not ASCII"),
        pytest.param("." * 10_000, id="dots"),
        pytest.param(forged(key=b"x" * 64), id="signed with another key"),
        pytest.param(forged(key=None, algorithm="none"), id="not signed"),
        pytest.param(forged(algorithm="HS512"), id="another algorithm"),
        pytest.param(forged(kid=None), id="no key id"),
        pytest.param(forged(kid="0" * 16), id="another key id"),
        pytest.param(with_header(kid=["a", "list"]), id="a key id that is no text"),
        pytest.param(forged(aud="another"), id="another audience"),
        pytest.param(forged(aud=None), id="no audience"),
        pytest.param(forged(iss="another"), id="another issuer"),
        pytest.param(forged(iss=None), id="no issuer"),
        pytest.param(forged(exp=None), id="no expiry"),
        pytest.param(forged(exp=str(NOW)), id="expiry as text"),
        pytest.param(forged(exp=True), id="expiry as boolean"),
        pytest.param(forged(exp=NOW // 1000), id="expired"),
        pytest.param(forged(iat=None), id="no time of issue"),
        pytest.param(forged(iat=float("nan")), id="a time of issue that is no number"),
        pytest.param(forged(iat=-1), id="a time of issue before all time"),
        pytest.param(forged(sub=None), id="no subject"),
        pytest.param(forged(sub=""), id="empty subject"),
        pytest.param(forged(sub="operations", typ="service", user=None), id="service without user"),
        pytest.param(forged(sub="", typ="service", user="user_ada"), id="service without name"),
        pytest.param(forged(typ=None), id="no type"),
        pytest.param(forged(sid=None), id="no session"),
        pytest.param(forged(sid=7), id="session as number"),
        pytest.param(forged(typ="refresh"), id="another type"),
        pytest.param(forged(admin="yes"), id="admin as text"),
        pytest.param(forged(admin=None), id="no admin claim"),
    ],
)
def test_any_other_token_is_refused_and_the_text_tells_nothing_of_it(token: str) -> None:
    with pytest.raises(errors.Unauthenticated) as caught:
        TOKENS.verify(token)

    assert caught.value.text in ("the access token is not valid", "the access token has expired")


def test_keys_rotate_without_a_gap() -> None:
    """The new key is added, then made the current one, then the old one is removed; no token is refused in between."""
    generations = [[KEY], [KEY, ANOTHER], [ANOTHER, KEY], [ANOTHER]]
    houses = [Tokens(keys, clock=lambda: NOW) for keys in generations]

    for earlier, later in pairwise(houses):
        for issuer, verifier in ((earlier, later), (later, earlier)):
            assert verifier.verify(issuer.issue_user("user_ada", False)[0]).caller.user_id == "user_ada"


def test_an_edited_token_is_refused() -> None:
    header, _, signature = forged().split(".")
    payload = forged(sub="user_eve").split(".")[1]

    with pytest.raises(errors.Unauthenticated):
        TOKENS.verify(f"{header}.{payload}.{signature}")


def test_a_token_under_another_key_is_refused() -> None:
    token, _ = tokens_at(NOW, key=b"x" * 64).issue_user("user_ada", False)

    with pytest.raises(errors.Unauthenticated):
        TOKENS.verify(token)


def test_the_clock_of_production_is_the_systems() -> None:
    _, expires_at = Tokens([KEY]).issue_user("user_ada", False, life=60)

    assert abs(expires_at / 1000 - 60 - time.time()) < 5
