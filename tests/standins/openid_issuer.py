"""A stand-in OpenID Connect issuer: a configuration, a key set, and ID tokens that it signs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from libs.common.clock import Clock, wall_clock

AUDIENCE = "llmchat.example"


@dataclass(frozen=True)
class IssuerKey:
    """A key pair under its id."""

    id: str
    algorithm: str
    pair: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

    @classmethod
    def rs256(cls, id: str, bits: int = 2048) -> IssuerKey:
        return cls(id, "RS256", rsa.generate_private_key(65537, bits))

    @classmethod
    def es256(cls, id: str) -> IssuerKey:
        return cls(id, "ES256", ec.generate_private_key(ec.SECP256R1()))

    @property
    def public(self) -> dict[str, Any]:
        """As a key set holds it."""
        if isinstance(self.pair, rsa.RSAPrivateKey):
            described = RSAAlgorithm.to_jwk(self.pair.public_key(), as_dict=True)
        else:
            described = ECAlgorithm.to_jwk(self.pair.public_key(), as_dict=True)
        return {**described, "kid": self.id, "alg": self.algorithm, "use": "sig"}

    def sign(self, claims: dict[str, Any]) -> str:
        """An ID token of exactly these claims."""
        return jwt.encode(claims, self.pair, self.algorithm, headers={"kid": self.id})


class StandInIssuer:
    """Serves on a free port. What it answers may be changed at any time.

    Attributes:
        url: What it is called by, too.
        keys: Those in its key set; the first signs.
        more_keys: Further entries of its key set.
        configuration: What its configuration says differently.
        status: What it answers with, if not 200.
        requests: The paths that it was asked for.
        open: While it is not set, answers wait.
        clock: Says when its tokens are issued.
    """

    def __init__(self) -> None:
        self.url = ""
        self.keys = [IssuerKey.es256("first")]
        self.more_keys: list[dict[str, Any]] = []
        self.configuration: dict[str, Any] = {}
        self.status = 200
        self.requests: list[str] = []
        self.clock: Clock = wall_clock
        self.open = asyncio.Event()
        self.open.set()

    @property
    def jwks_uri(self) -> str:
        """Where its keys are."""
        return f"{self.url}/keys"

    def setting(self, **changes: Any) -> str:
        """For LLMCHAT_OPENID_ISSUERS."""
        return json.dumps([{"issuer": self.url, "audience": AUDIENCE, **changes}])

    def claims(self, subject: str = "ada", **changes: Any) -> dict[str, Any]:
        """What is in every ID token; a change to None leaves a claim out."""
        now = self.clock() // 1000
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + 3600, **changes}
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, subject: str = "ada", **changes: Any) -> str:
        """An ID token that is good but for the changes."""
        return self.keys[0].sign(self.claims(subject, **changes))

    async def answer(self, request: web.Request) -> web.Response:
        """GET of the configuration or the keys."""
        self.requests.append(request.path)
        await self.open.wait()
        if self.status != 200:
            return web.Response(status=self.status, headers={"location": f"{self.url}/elsewhere"})
        if request.path == "/keys":
            return web.json_response({"keys": [*self.more_keys, *(key.public for key in self.keys)]})
        return web.json_response({"issuer": self.url, "jwks_uri": self.jwks_uri, **self.configuration})


@asynccontextmanager
async def serve_issuer() -> AsyncIterator[StandInIssuer]:
    """The stand-in on a free port."""
    issuer = StandInIssuer()
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", issuer.answer)
    app.router.add_get("/keys", issuer.answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        issuer.url = f"http://{host}:{port}"
        yield issuer
    finally:
        await runner.cleanup()
