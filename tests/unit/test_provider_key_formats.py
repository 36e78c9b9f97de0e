"""Which keys are taken for whose: the makers' forms, and nothing that was pasted by mistake."""

from __future__ import annotations

import pytest
from llmchat.users.v1.user_pb2 import KEY_PROVIDER_CLAUDE, KEY_PROVIDER_GOOGLE, KEY_PROVIDER_OPENAI, KeyProvider

from libs.common.errors import Invalid
from services.users.provider_key_formats import require_format

CLAUDE, OPENAI, GOOGLE = KEY_PROVIDER_CLAUDE, KEY_PROVIDER_OPENAI, KEY_PROVIDER_GOOGLE


@pytest.mark.parametrize(
    ("provider", "key"),
    [
        (CLAUDE, "sk-ant-api03-" + "aB3_-" * 19),
        (CLAUDE, "sk-ant-admin01-" + "x" * 90),
        (OPENAI, "sk-" + "aB3" * 16),
        (OPENAI, "sk-proj-" + "aB3_-" * 30),
        (OPENAI, "sk-svcacct-" + "aB3_-" * 30),
        (GOOGLE, "AIzaSy" + "aB3_-xy" * 4 + "x" * 5),
        (GOOGLE, "AQ.Ab8RN6" + "aB3_-" * 9),
    ],
)
def test_a_key_of_the_providers_own_is_taken(provider: KeyProvider, key: str) -> None:
    require_format(provider, key)


@pytest.mark.parametrize(
    ("provider", "key", "expected"),
    [
        (CLAUDE, "sk-proj-canary0000000000", "api_key: is not a key of Anthropic's: those look like sk-ant-…"),
        (CLAUDE, "AIzaCanary", "api_key: is not a key of Anthropic's: those look like sk-ant-…"),
        (CLAUDE, "sk-ant-", "api_key: is not a key of Anthropic's: those look like sk-ant-…"),
        (CLAUDE, "x-sk-ant-api03-canary000000", "api_key: is not a key of Anthropic's: those look like sk-ant-…"),
        (OPENAI, "sk-ant-api03-canary000000", "api_key: is not a key of OpenAI's: those look like sk-…"),
        (OPENAI, "sk-or-v1-canary0000000000", "api_key: is not a key of OpenAI's: those look like sk-…"),
        (OPENAI, "canary-canary-canary-cana", "api_key: is not a key of OpenAI's: those look like sk-…"),
        (OPENAI, "sk-canarycanarycanarycanaré", "api_key: is not a key of OpenAI's: those look like sk-…"),
        (GOOGLE, "AIza" + "x" * 34, "api_key: is not a key of Google's: those look like AIza… or AQ.…"),
        (GOOGLE, "AIza" + "x" * 36, "api_key: is not a key of Google's: those look like AIza… or AQ.…"),
        (GOOGLE, "sk-canarycanarycanary", "api_key: is not a key of Google's: those look like AIza… or AQ.…"),
        (OPENAI, " sk-canarycanarycanary", "api_key: holds white space"),
        (OPENAI, "sk-canary canarycanary", "api_key: holds white space"),
        (OPENAI, "sk-canarycanarycanary\n", "api_key: holds white space"),
        (GOOGLE, "AIza" + "x" * 35 + "\u00a0", "api_key: holds white space"),
    ],
)
def test_anything_else_is_refused_and_not_repeated(provider: KeyProvider, key: str, expected: str) -> None:
    with pytest.raises(Invalid) as caught:
        require_format(provider, key)
    assert caught.value.text == expected
    [violation] = caught.value.violations
    assert violation.field == "api_key"
