"""Callers are established from their tokens, and a verified token is not verified again until it expires."""

import pytest
from llmchat.access.v1.access_service_pb2 import Revocation

from libs.common import errors
from libs.common.clock import timestamp
from libs.common.context import NOBODY, Caller, Verified
from libs.common.rpc.interceptors.identity import Identity
from libs.common.rpc.interceptors.revocations import Revocations

ADA = Caller(user_id="user_ada", session_id="session_1")
PROGRAM = Caller(user_id="user_ada", access_key_id="key_1", permissions=frozenset(("thread.read",)))


class Verifier:
    """Accepts `good…` tokens until a second after the epoch, and counts."""

    def __init__(self) -> None:
        self.now = 0
        self.asked: list[str] = []
        self.revocations = Revocations(lambda: self.now)
        self.identity = Identity(self.verify, self.resolve, self.revocations, lambda: self.now, capacity=2)

    def verify(self, token: str) -> Verified:
        self.asked.append(token)
        if not token.startswith("good"):
            raise errors.Unauthenticated("no")
        return Verified(ADA, 500, 1000)

    async def resolve(self, secret: str) -> Verified:
        self.asked.append(secret)
        return Verified(PROGRAM, self.now, 1000)

    async def establish(self, header: str | bytes) -> Caller:
        return await self.identity.establish({"authorization": header})


@pytest.fixture
def verifier() -> Verifier:
    return Verifier()


async def test_a_call_that_claims_nothing_is_nobodys(verifier: Verifier) -> None:
    assert await verifier.identity.establish({}) is NOBODY


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_a_good_token_gives_its_caller(verifier: Verifier, scheme: str) -> None:
    assert await verifier.establish(f"{scheme} good") == ADA


@pytest.mark.parametrize("header", ["", "good", "Bearer", "Bearer ", "Basic good", "Bearer bad", b"Bearer good"])
async def test_anything_else_is_refused(verifier: Verifier, header: str | bytes) -> None:
    with pytest.raises(errors.Unauthenticated):
        await verifier.establish(header)


async def test_a_token_is_verified_once(verifier: Verifier) -> None:
    for _ in range(3):
        await verifier.establish("Bearer good")

    assert verifier.asked == ["good"]


async def test_a_remembered_token_expires_all_the_same(verifier: Verifier) -> None:
    await verifier.establish("Bearer good")
    verifier.now = 1000

    with pytest.raises(errors.Unauthenticated, match="expired"):
        await verifier.establish("Bearer good")


async def test_what_is_remembered_is_bounded_and_the_oldest_goes_first(verifier: Verifier) -> None:
    for token in ("good1", "good2", "good3", "good3", "good1"):
        await verifier.establish(f"Bearer {token}")

    assert verifier.asked == ["good1", "good2", "good3", "good1"]


async def test_a_wrong_token_is_not_remembered(verifier: Verifier) -> None:
    for _ in range(2):
        with pytest.raises(errors.Unauthenticated):
            await verifier.establish("Bearer bad")

    assert verifier.asked == ["bad", "bad"]


async def test_what_begins_as_an_access_key_is_resolved_as_one(verifier: Verifier) -> None:
    assert await verifier.establish("Bearer llmchat_secret") == PROGRAM
    assert verifier.asked == ["llmchat_secret"]


@pytest.mark.parametrize("subject", ["user:user_ada", "session:session_1"])
async def test_a_remembered_token_is_refused_once_it_is_revoked(verifier: Verifier, subject: str) -> None:
    await verifier.establish("Bearer good")
    verifier.revocations.apply(Revocation(subject=subject, revoked_at=timestamp(500), expires_at=timestamp(2000)))

    with pytest.raises(errors.Unauthenticated) as caught:
        await verifier.establish("Bearer good")
    assert caught.value.reason == "SIGN_IN_ENDED"


@pytest.mark.parametrize(
    ("subject", "revoked_at"), [("user:user_ada", 499), ("user:user_bob", 500), ("session:session_2", 500)]
)
async def test_a_token_of_later_or_of_another_stays_good(verifier: Verifier, subject: str, revoked_at: int) -> None:
    verifier.revocations.apply(
        Revocation(subject=subject, revoked_at=timestamp(revoked_at), expires_at=timestamp(2000))
    )

    assert await verifier.establish("Bearer good") == ADA
