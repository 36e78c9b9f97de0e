"""Which ID tokens count, by a stand-in issuer's word; and how its keys are had: fetched within bounds, and kept."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from libs.common.errors import Unauthenticated, Unavailable
from services.users.openid_tokens import IdTokens
from services.users.settings import OpenIdIssuer
from tests.standins.openid_issuer import AUDIENCE, IssuerKey, StandInIssuer, serve_issuer

# In seconds of the epoch.
NOW = 1_800_000_000


class HeldClock:
    """Stands at `NOW`, or `later` seconds after it, in milliseconds."""

    def __init__(self) -> None:
        self.later = 0.0

    def __call__(self) -> int:
        return int((NOW + self.later) * 1000)


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
async def issuer(clock: HeldClock) -> AsyncIterator[StandInIssuer]:
    """One whose clock goes as ours."""
    async with serve_issuer() as issuer:
        issuer.clock = clock
        yield issuer


@pytest.fixture
async def tokens(issuer: StandInIssuer, clock: HeldClock) -> AsyncIterator[IdTokens]:
    """As the house verifies them."""
    tokens = IdTokens([OpenIdIssuer(issuer=issuer.url, audience=(AUDIENCE, "our app"))], clock)
    yield tokens
    await tokens.close()


@contextmanager
def not_valid() -> Iterator[None]:
    with pytest.raises(Unauthenticated) as refused:
        yield
    assert refused.value.reason == "INVALID_ID_TOKEN"


# Claims


async def test_times_may_be_apart_by_a_minute(tokens: IdTokens, issuer: StandInIssuer) -> None:
    for token in (issuer.token(exp=NOW - 50), issuer.token(iat=NOW + 50, nbf=NOW + 50)):
        assert (await tokens.verify(token, "")).subject == "ada"


@pytest.mark.parametrize(
    "audience", [{"aud": "our app"}, {"aud": [AUDIENCE]}, {"aud": ["another", AUDIENCE], "azp": "our app"}], ids=str
)
async def test_a_token_is_for_one_of_us_and_says_so(
    tokens: IdTokens, issuer: StandInIssuer, audience: dict[str, Any]
) -> None:
    assert (await tokens.verify(issuer.token(**audience), "")).subject == "ada"


async def test_the_nonce_of_the_request_is_in_the_token(tokens: IdTokens, issuer: StandInIssuer) -> None:
    assert (await tokens.verify(issuer.token(nonce="n-0S6"), "n-0S6")).subject == "ada"
    for held in ("n-0S7", None, 7):
        with not_valid():
            await tokens.verify(issuer.token(nonce=held), "n-0S6")


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": ["another", AUDIENCE]},
        {"aud": ["another", AUDIENCE], "azp": "another"},
        {"aud": []},
        {"aud": None},
        {"iss": "https://another.example"},
        {"iss": None},
        {"iss": 7},
        {"sub": ""},
        {"sub": None},
        {"sub": 583231},
        {"sub": "a" * 256},
        {"sub": "\ud83d"},
        {"exp": NOW - 120},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": float("nan")},
        {"exp": 1e300},
        {"iat": NOW + 600},
        {"iat": None},
        {"iat": True},
        {"nbf": NOW + 600},
    ],
    ids=lambda changes: ascii(changes)[:40],
)
async def test_claims_that_do_not_hold_are_refused(
    tokens: IdTokens, issuer: StandInIssuer, changes: dict[str, Any]
) -> None:
    with not_valid():
        await tokens.verify(signed(issuer.keys[0], issuer.claims(**changes)), "")


# Signatures


async def test_signatures_that_prove_nothing_are_refused(tokens: IdTokens, issuer: StandInIssuer) -> None:
    rsa = IssuerKey.rs256("rsa")
    issuer.keys.append(rsa)
    claims = issuer.claims()
    public = rsa.pair.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head, body, signature = issuer.token().split(".")
    forged = {
        "none": f"{part({'alg': 'none', 'kid': 'rsa'})}.{part(claims)}.",
        "HS256 under the public key": hs256({"alg": "HS256", "kid": "rsa"}, claims, public),
        "a key of another's": IssuerKey.es256("first").sign(claims),
        "a key under the id of another": IssuerKey("first", "RS256", rsa.pair).sign(claims),
        "no key id": jwt.encode(claims, issuer.keys[0].pair, "ES256"),
        "a key id that is none": f"{part({'alg': 'ES256', 'kid': 7})}.{body}.{signature}",
        "another algorithm of the same key": jwt.encode(claims, rsa.pair, "PS256", headers={"kid": "rsa"}),
        "other claims": f"{head}.{part(claims | {'sub': 'eve'})}.{signature}",
        "no signature": f"{head}.{body}.",
        "no token": "anything",
        "a deep one": ".".join([base64.urlsafe_b64encode(b"[" * 3000).decode()] * 3),
    }
    for token in forged.values():
        with not_valid():
            await tokens.verify(token, "")
    assert (await tokens.verify(rsa.sign(claims), "")).subject == "ada"


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_keys_that_are_too_weak_or_for_something_else_are_not_used(
    tokens: IdTokens, issuer: StandInIssuer
) -> None:
    weak, encrypting, other = IssuerKey.rs256("weak", bits=1024), IssuerKey.es256("encrypting"), IssuerKey.es256("es")
    issuer.more_keys = [
        weak.public,
        encrypting.public | {"use": "enc"},
        other.public | {"alg": "ES512"},
        {"kty": "oct", "kid": "oct", "k": "c2VjcmV0", "alg": "HS256"},
        {"kty": "EC", "crv": "P-256", "kid": "broken", "x": "!", "y": 7},
        {"kty": "EC"},
    ]
    for key in (weak, encrypting, other):
        with not_valid():
            await tokens.verify(key.sign(issuer.claims()), "")
    assert (await tokens.verify(issuer.token(), "")).subject == "ada"


# The issuer's keys


async def test_keys_are_fetched_once_for_all(tokens: IdTokens, issuer: StandInIssuer) -> None:
    issuer.open.clear()
    verifying = [asyncio.create_task(tokens.verify(issuer.token(), "")) for _ in range(5)]
    while not issuer.requests:
        await asyncio.sleep(0.001)
    # Whoever was first leaves, and the others have what came for them all.
    verifying.pop(0).cancel()
    issuer.open.set()

    assert {person.subject for person in await asyncio.gather(*verifying)} == {"ada"}
    assert issuer.requests == ["/.well-known/openid-configuration", "/keys"]


async def test_a_key_that_is_new_is_found_and_one_that_is_withdrawn_counts_an_hour_more_at_most(
    tokens: IdTokens, issuer: StandInIssuer, clock: HeldClock
) -> None:
    old = issuer.token(exp=NOW + 86_400)
    await tokens.verify(old, "")
    issuer.keys = [IssuerKey.es256("second")]
    clock.later = 61

    assert (await tokens.verify(issuer.token(), "")).subject == "ada"
    with not_valid():
        await tokens.verify(old, "")


async def test_a_withdrawn_key_is_dropped_within_an_hour_though_nobody_uses_a_new_one(
    tokens: IdTokens, issuer: StandInIssuer, clock: HeldClock
) -> None:
    old = issuer.token(exp=NOW + 86_400)
    await tokens.verify(old, "")
    issuer.keys = [IssuerKey.es256("second")]
    clock.later = 3_590
    await tokens.verify(old, "")
    clock.later = 3_610
    with not_valid():
        await tokens.verify(old, "")


async def test_made_up_key_ids_have_the_issuer_asked_once_a_minute(
    tokens: IdTokens, issuer: StandInIssuer, clock: HeldClock
) -> None:
    await tokens.verify(issuer.token(), "")
    asked = len(issuer.requests)
    for minute in range(3):
        clock.later = 61.0 * (minute + 1)
        for number in range(20):
            with not_valid():
                await tokens.verify(IssuerKey.es256(f"made up {number}").sign(issuer.claims()), "")
        assert issuer.requests.count("/keys") == minute + 2
    assert len(issuer.requests) == asked + 3 * 2


async def test_an_issuer_that_is_down_keeps_out_nobody_whose_key_is_known(
    tokens: IdTokens, issuer: StandInIssuer, clock: HeldClock
) -> None:
    token = issuer.token(exp=NOW + 86_400)
    await tokens.verify(token, "")
    issuer.status = 503
    clock.later = 7_200

    assert (await tokens.verify(token, "")).subject == "ada"
    with not_valid():
        await tokens.verify(IssuerKey.es256("unknown").sign(issuer.claims(exp=NOW + 86_400)), "")


@pytest.mark.parametrize(
    "answers",
    [
        {"status": 503},
        {"status": 302},
        {"configuration": {"issuer": "https://another.example"}},
        {"configuration": {"jwks_uri": "https://[half"}},
        {"configuration": {"jwks_uri": None}},
        {"more_keys": [{"kid": "x" * 300_000}]},
    ],
    ids=lambda answers: ascii(answers)[:60],
)
async def test_what_is_no_answer_is_asked_for_again_and_leaves_nothing_behind(
    tokens: IdTokens, issuer: StandInIssuer, clock: HeldClock, answers: dict[str, Any]
) -> None:
    good = {name: getattr(issuer, name) for name in answers}
    for name, value in answers.items():
        setattr(issuer, name, value)
    with pytest.raises(Unavailable) as unavailable:
        await tokens.verify(issuer.token(), "")
    assert unavailable.value.reason == "ISSUER_UNAVAILABLE"

    for name, value in good.items():
        setattr(issuer, name, value)
    with pytest.raises(Unavailable):
        await tokens.verify(issuer.token(), "")
    clock.later = 6
    assert (await tokens.verify(issuer.token(), "")).subject == "ada"


async def test_keys_are_not_fetched_in_plain_text_from_elsewhere(tokens: IdTokens, issuer: StandInIssuer) -> None:
    # An address of this machine that does not say so.
    issuer.configuration = {"jwks_uri": issuer.jwks_uri.replace("127.0.0.1", "0.0.0.0")}  # noqa: S104
    with pytest.raises(Unavailable):
        await tokens.verify(issuer.token(), "")
    assert "/keys" not in issuer.requests


def part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def signed(key: IssuerKey, claims: dict[str, Any]) -> str:
    """Of claims that no library would sign."""
    return jwt.api_jws.encode(json.dumps(claims).encode(), key.pair, key.algorithm, headers={"kid": key.id})


def hs256(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    """Signed as no library would with such a secret."""
    signing = f"{part(header)}.{part(claims)}"
    signature = hmac.new(secret, signing.encode(), hashlib.sha256).digest()
    return f"{signing}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
