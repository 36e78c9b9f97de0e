"""Callers are established from their tokens, and a verified token is not verified again until it expires."""

import pytest

from libs.common import errors
from libs.common.context import NOBODY, Caller
from libs.common.rpc.interceptors.identity import Identity

ADA = Caller(user_id="user_ada")


class Verifier:
    """Accepts `good…` tokens until a second after the epoch, and counts."""

    def __init__(self) -> None:
        self.now = 0
        self.asked: list[str] = []
        self.identity = Identity(self.verify, lambda: self.now, capacity=2)

    def verify(self, token: str) -> tuple[Caller, int]:
        self.asked.append(token)
        if not token.startswith("good"):
            raise errors.Unauthenticated("no")
        return ADA, 1000

    def establish(self, header: str | bytes) -> Caller:
        return self.identity.establish({"authorization": header})


@pytest.fixture
def verifier() -> Verifier:
    return Verifier()


def test_a_call_that_claims_nothing_is_nobodys(verifier: Verifier) -> None:
    assert verifier.identity.establish({}) is NOBODY


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_good_token_gives_its_caller(verifier: Verifier, scheme: str) -> None:
    assert verifier.establish(f"{scheme} good") == ADA


@pytest.mark.parametrize("header", ["", "good", "Bearer", "Bearer ", "Basic good", "Bearer bad", b"Bearer good"])
def test_anything_else_is_refused(verifier: Verifier, header: str | bytes) -> None:
    with pytest.raises(errors.Unauthenticated):
        verifier.establish(header)


def test_a_token_is_verified_once(verifier: Verifier) -> None:
    for _ in range(3):
        verifier.establish("Bearer good")

    assert verifier.asked == ["good"]


def test_a_remembered_token_expires_all_the_same(verifier: Verifier) -> None:
    verifier.establish("Bearer good")
    verifier.now = 1000

    with pytest.raises(errors.Unauthenticated, match="expired"):
        verifier.establish("Bearer good")


def test_what_is_remembered_is_bounded_and_the_oldest_goes_first(verifier: Verifier) -> None:
    for token in ("good1", "good2", "good3", "good3", "good1"):
        verifier.establish(f"Bearer {token}")

    assert verifier.asked == ["good1", "good2", "good3", "good1"]


def test_a_wrong_token_is_not_remembered(verifier: Verifier) -> None:
    for _ in range(2):
        with pytest.raises(errors.Unauthenticated):
            verifier.establish("Bearer bad")

    assert verifier.asked == ["bad", "bad"]
