"""Whose key a provider is asked with: the person's own, looked up for each answer and kept no longer than that."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from llmchat.users.v1.user_pb2 import KEY_PROVIDER_CLAUDE, KEY_PROVIDER_GOOGLE, KEY_PROVIDER_OPENAI, KeyProvider
from llmchat.users.v1.users_service_pb2 import ReportProviderKeyRequest, ResolveProviderKeyRequest
from pydantic import SecretStr

from libs.common.errors import DomainError, NotFound, Precondition
from services.messages.providers.port import ProviderError

if TYPE_CHECKING:
    from llmchat.users.v1.users_service_pb2_grpc import UsersServiceAsyncStub

_log = logging.getLogger(__name__)
_MAKERS = MappingProxyType(
    {KEY_PROVIDER_CLAUDE: "Anthropic", KEY_PROVIDER_OPENAI: "OpenAI", KEY_PROVIDER_GOOGLE: "Google"}
)


@dataclass(frozen=True, slots=True)
class Key:
    """A key for a provider. `hash` names a person's own; the installation's has none."""

    secret: str = field(repr=False)
    hash: str = field(default="", repr=False)


class ProviderKeys:
    """The keys for one provider: everybody's own, of the users service, and the installation's for who has none."""

    def __init__(
        self, users: UsersServiceAsyncStub, provider: KeyProvider, installations: SecretStr | None = None
    ) -> None:
        self._users = users
        self._provider = provider
        self._installations = installations

    async def choose(self) -> Key:
        """The key of the person that the current call is for, else the installation's.

        Raises:
            ProviderError: there is neither (code PROVIDER_KEY_MISSING); what the person has stored does not open
                (PROVIDER_KEY_UNREADABLE); or nobody can say (PROVIDER_KEY_UNAVAILABLE): then it is nobody's.
        """
        try:
            own = await self._users.ResolveProviderKey(ResolveProviderKeyRequest(provider=self._provider))
        except NotFound:
            return self.installations()
        except Precondition as error:
            raise ProviderError(error.reason, error.text) from error
        except DomainError as error:
            _log.warning("a provider key could not be looked up: %s", error.text)
            raise ProviderError("PROVIDER_KEY_UNAVAILABLE", "your keys cannot be looked up now: try again") from error
        return Key(own.api_key, own.key_hash)

    def installations(self) -> Key:
        """The installation's own key.

        Raises:
            ProviderError: it has none (code PROVIDER_KEY_MISSING).
        """
        if self._installations is None:
            text = f"no key for {_MAKERS[self._provider]}: store one of your own with SetProviderKey"
            raise ProviderError("PROVIDER_KEY_MISSING", text)
        return Key(self._installations.get_secret_value())

    async def report(self, key: Key) -> None:
        """Tells the users service that the provider has refused `key`, where it is a person's own."""
        if not key.hash:
            return
        try:
            await self._users.ReportProviderKey(ReportProviderKeyRequest(provider=self._provider, key_hash=key.hash))
        except NotFound:
            # It has been removed meanwhile.
            return
        except DomainError as error:
            _log.warning("a refused provider key could not be reported: %s", error.text)
