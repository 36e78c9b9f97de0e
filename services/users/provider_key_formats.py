"""What the makers' keys look like: a slip of the clipboard is found before it is stored."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType

from llmchat.users.v1.user_pb2 import KEY_PROVIDER_CLAUDE, KEY_PROVIDER_GOOGLE, KEY_PROVIDER_OPENAI, KeyProvider

from libs.common.errors import Invalid


@dataclass(frozen=True, slots=True)
class _Format:
    maker: str
    shown: str
    pattern: re.Pattern[str]


_FORMATS = MappingProxyType(
    {
        KEY_PROVIDER_CLAUDE: _Format("Anthropic", "sk-ant-…", re.compile(r"sk-ant-[A-Za-z0-9_-]{8,}")),
        # sk-proj-…, sk-svcacct-… and the older sk-…; but not Anthropic's, nor OpenRouter's.
        KEY_PROVIDER_OPENAI: _Format("OpenAI", "sk-…", re.compile(r"sk-(?!ant-|or-)[A-Za-z0-9_-]{8,}")),
        # AI Studio has issued AQ.… since 2026; those before had 39 characters.
        KEY_PROVIDER_GOOGLE: _Format(
            "Google", "AIza… or AQ.…", re.compile(r"AIza[A-Za-z0-9_-]{35}|AQ\.[A-Za-z0-9._-]{8,}")
        ),
    }
)


def require_format(provider: KeyProvider, api_key: str) -> None:
    """Returns where `api_key` looks like a key of the provider's.

    Raises:
        Invalid: it does not; nothing of the key is in the text.
    """
    expected = _FORMATS[provider]
    if any(character.isspace() for character in api_key):
        raise Invalid.field("api_key", "holds white space")
    if not expected.pattern.fullmatch(api_key):
        raise Invalid.field("api_key", f"is not a key of {expected.maker}'s: those look like {expected.shown}")
