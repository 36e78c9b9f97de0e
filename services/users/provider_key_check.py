"""Asks a provider whether it takes a key: one small request that costs nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import MappingProxyType

import httpx2
from llmchat.users.v1.user_pb2 import KEY_PROVIDER_CLAUDE, KEY_PROVIDER_GOOGLE, KEY_PROVIDER_OPENAI, KeyProvider

from libs.common.errors import Invalid, Unavailable
from services.users.settings import UsersSettings


@dataclass(frozen=True, slots=True)
class _Question:
    """GET `path` with the key in `header`, behind `prefix`; `refusals` are the statuses that say no to it."""

    path: str
    header: str
    prefix: str = ""
    refusals: frozenset[int] = frozenset((401, 403))
    more_headers: tuple[tuple[str, str], ...] = ()


_QUESTIONS = MappingProxyType(
    {
        KEY_PROVIDER_CLAUDE: _Question(
            "/v1/models?limit=1", "x-api-key", more_headers=(("anthropic-version", "2023-06-01"),)
        ),
        KEY_PROVIDER_OPENAI: _Question("/models", "authorization", "Bearer "),
        # Google says 400 to a key that it does not know.
        KEY_PROVIDER_GOOGLE: _Question(
            "/v1beta/models?pageSize=1", "x-goog-api-key", refusals=frozenset((400, 401, 403))
        ),
    }
)


class ProviderKeyCheck:
    """Lists models with the key, as every provider lets its customers.

    A key that its maker lets do other things alone is refused here, and can be stored without being checked.
    """

    def __init__(self, settings: UsersSettings) -> None:
        self._timeout = settings.key_check_timeout
        self._addresses = {
            KEY_PROVIDER_CLAUDE: settings.key_check_claude_url,
            KEY_PROVIDER_OPENAI: settings.key_check_openai_url,
            KEY_PROVIDER_GOOGLE: settings.key_check_google_url,
        }

    async def require_accepted(self, provider: KeyProvider, api_key: str) -> None:
        """Returns once the provider has taken `api_key`.

        Raises:
            Invalid: the provider refuses it (reason PROVIDER_KEY_REFUSED).
            Unavailable: the provider does not answer in time, or not to the question (reason PROVIDER_UNAVAILABLE).
        """
        question = _QUESTIONS[provider]
        url = self._addresses[provider].rstrip("/") + question.path
        headers = {question.header: question.prefix + api_key, **dict(question.more_headers)}
        try:
            async with asyncio.timeout(self._timeout):
                status = await _status(url, headers)
        except (httpx2.HTTPError, TimeoutError):
            # Nothing of the error goes further: it may repeat the request.
            raise _no_answer("it cannot be reached") from None
        if status in question.refusals:
            raise Invalid.field("api_key", "the provider refuses it", reason="PROVIDER_KEY_REFUSED")
        if status != httpx2.codes.OK:
            raise _no_answer(f"it answered with status {status}")


async def _status(url: str, headers: dict[str, str]) -> int:
    # A client for each check, since checks are rare; and what the answer says beyond its status is not read.
    async with httpx2.AsyncClient(timeout=None) as client, client.stream("GET", url, headers=headers) as response:
        return response.status_code


def _no_answer(why: str) -> Unavailable:
    return Unavailable(f"the key could not be checked with its provider: {why}", reason="PROVIDER_UNAVAILABLE")
