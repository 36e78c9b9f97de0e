"""The public keys of an OpenID Connect issuer: fetched when they are needed, kept, and fetched again within bounds."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from typing import Any

import httpx2
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK, PyJWTError

from libs.common.clock import Clock
from libs.common.errors import Unavailable
from services.users.settings import OpenIdIssuer, secure_url

_log = logging.getLogger(__name__)

_SECONDS = 5.0
_MOST_BYTES = 256 * 1024
# Milliseconds. A key that the issuer has withdrawn is good for an hour more at most, while the issuer answers.
_FRESH_MS = 3_600_000
# Between two fetches: whoever makes up key ids has the issuer asked no more often.
_PAUSE_MS = 60_000
# The same while there are no keys and so nobody comes in.
_PAUSE_WITHOUT_KEYS_MS = 5_000
# RFC 7518, section 3.3.
_LEAST_RSA_BITS = 2048


class IssuerKeys:
    """The keys of one issuer."""

    def __init__(self, issuer: OpenIdIssuer, clock: Clock) -> None:
        self._issuer = issuer
        self._clock = clock
        self._keys: dict[str, PyJWK] | None = None
        self._fetched_at = 0
        self._asked_at = 0
        self._fetch: asyncio.Task[None] | None = None

    async def find(self, id: str) -> PyJWK | None:
        """The key of that id, which says by what algorithm it signs; None where the issuer has none.

        What has been fetched stays good while the issuer does not answer.

        Raises:
            Unavailable: nothing has ever been fetched (reason ISSUER_UNAVAILABLE).
        """
        if self._is_to_be_fetched(id):
            if self._fetch is None:
                self._fetch = asyncio.create_task(self._refresh())
            # Of all who wait for it: one who leaves must not end it.
            await asyncio.shield(self._fetch)
        if self._keys is None:
            text = "the issuer of the ID token does not answer"
            raise Unavailable(text, reason="ISSUER_UNAVAILABLE", retry_after=_PAUSE_WITHOUT_KEYS_MS / 1000)
        return self._keys.get(id)

    async def close(self) -> None:
        """Ends a fetch that is under way."""
        if self._fetch is not None:
            self._fetch.cancel()
            with suppress(asyncio.CancelledError):
                await self._fetch

    def _is_to_be_fetched(self, id: str) -> bool:
        since_asked = self._clock() - self._asked_at
        if self._keys is None:
            return since_asked >= _PAUSE_WITHOUT_KEYS_MS
        is_wanted = id not in self._keys or self._clock() - self._fetched_at >= _FRESH_MS
        return is_wanted and since_asked >= _PAUSE_MS

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(_SECONDS), httpx2.AsyncClient(timeout=None) as client:
                uri = self._issuer.jwks_uri or await self._discover(client)
                self._keys = _usable(await _get(client, uri))
                self._fetched_at = self._clock()
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, ValueError, RecursionError) as error:
            _log.warning("the keys of %s could not be fetched: %s", self._issuer.issuer, error or type(error).__name__)
        finally:
            self._asked_at = self._clock()
            self._fetch = None

    async def _discover(self, client: httpx2.AsyncClient) -> str:
        """Where the keys are (OpenID Connect Discovery 1.0, section 4)."""
        document = await _get(client, f"{self._issuer.issuer.rstrip('/')}/.well-known/openid-configuration")
        if document.get("issuer") != self._issuer.issuer:
            raise ValueError("its configuration is another issuer's")
        return secure_url(str(document.get("jwks_uri", "")))


async def _get(client: httpx2.AsyncClient, uri: str) -> dict[str, Any]:
    body = bytearray()
    async with client.stream("GET", uri, headers={"accept": "application/json"}) as response:
        response.raise_for_status()
        async for part in response.aiter_bytes():
            body += part
            if len(body) > _MOST_BYTES:
                raise ValueError(f"{uri} holds more than {_MOST_BYTES} bytes")
    document = json.loads(body)
    if not isinstance(document, dict):
        raise ValueError(f"{uri} holds no JSON object")
    return document


def _usable(document: dict[str, Any]) -> dict[str, PyJWK]:
    """The keys for signatures by RS256 and ES256; each is good for its one algorithm."""
    keys = document.get("keys")
    if not isinstance(keys, list):
        raise ValueError("the key set has no keys")
    usable = {}
    for described in keys:
        match described:
            case {"kid": str(id), "kty": "RSA"}:
                algorithm = "RS256"
            case {"kid": str(id), "kty": "EC", "crv": "P-256"}:
                algorithm = "ES256"
            case _:
                continue
        if described.get("use", "sig") != "sig" or described.get("alg", algorithm) != algorithm:
            continue
        # One that is malformed must not keep the others out.
        with suppress(PyJWTError, ValueError):
            key = PyJWK(described, algorithm)
            if not isinstance(key.key, RSAPublicKey) or key.key.key_size >= _LEAST_RSA_BITS:
                usable[id] = key
    return usable
