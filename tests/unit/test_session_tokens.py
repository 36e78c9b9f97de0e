"""Refresh tokens: signed here, or refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from libs.common.errors import Unauthenticated
from services.users.session_tokens import RefreshToken, RefreshTokens

KEY, OTHER = b"k" * 32, b"o" * 32
SESSION = f"session_{'0' * 26}"


def test_a_token_says_which_session_and_which_refresh() -> None:
    tokens = RefreshTokens([KEY])

    assert tokens.read(tokens.issue(SESSION, 7)) == RefreshToken(SESSION, 7)


def test_after_a_rotation_tokens_of_the_former_key_are_read_and_new_ones_are_the_current_keys() -> None:
    former, rotated = RefreshTokens([KEY]), RefreshTokens([OTHER, KEY])

    assert rotated.read(former.issue(SESSION, 7)).number == 7
    with pytest.raises(Unauthenticated):
        former.read(rotated.issue(SESSION, 7))


@pytest.mark.parametrize(
    "alter",
    [
        lambda token: token.replace(".7.", ".8."),
        lambda token: token.replace("0.7.", "1.7."),
        lambda token: token.replace(".7.", ".07."),
        lambda token: token.replace(".7.", ".٧."),
        lambda token: token[:-1],
        lambda token: token + "=",
        lambda token: token + "\n",
        lambda token: token.rpartition(".")[0],
        lambda token: "",
        lambda token: "llmchat_refresh..." + "A" * 43,
    ],
    ids=["number", "session", "zero", "digit", "cut", "padded", "line", "unsigned", "empty", "hollow"],
)
def test_a_token_that_was_altered_is_refused(alter: Callable[[str], str]) -> None:
    tokens = RefreshTokens([KEY])

    with pytest.raises(Unauthenticated) as refused:
        tokens.read(alter(tokens.issue(SESSION, 7)))

    assert refused.value.reason == "INVALID_REFRESH_TOKEN"
