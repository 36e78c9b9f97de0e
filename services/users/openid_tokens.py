"""ID tokens: who a person is by the word of an OpenID Connect issuer (OpenID Connect Core 1.0, section 3.1.3.7)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from jwt.types import Options

from libs.common.clock import Clock
from libs.common.errors import Unauthenticated
from services.users.openid_keys import IssuerKeys
from services.users.settings import OpenIdIssuer

# That clocks may be apart, in seconds.
_LEEWAY = 60
# Section 2 of the same.
_LONGEST_SUBJECT = 255
# Times are compared below, by the clock that was given.
_OPTIONS: Options = {
    "require": ["iss", "aud", "sub", "exp", "iat"],
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
}


@dataclass(frozen=True, slots=True)
class Person:
    """Who an issuer says it is.

    Attributes:
        issuer: By its setting.
        subject: What the issuer calls them, for ever.
        email: An address that the issuer has verified; empty where there is none.
        names: What they may be shown as, the best first; anything may stand in them, or nothing.
    """

    issuer: str
    subject: str
    email: str
    names: tuple[str, ...]

    @property
    def id(self) -> str:
        """Names issuer and subject together: the SHA-256 of both."""
        return hashlib.sha256(f"{self.issuer}\0{self.subject}".encode()).hexdigest()


class IdTokens:
    """Verifies the ID tokens of the issuers that are set."""

    def __init__(self, issuers: Sequence[OpenIdIssuer], clock: Clock) -> None:
        self._clock = clock
        self._issuers: dict[str, tuple[OpenIdIssuer, IssuerKeys]] = {}
        for issuer in issuers:
            trusted = (issuer, IssuerKeys(issuer, clock))
            self._issuers[issuer.issuer] = trusted
            # Google's tokens say either.
            self._issuers[issuer.issuer.removeprefix("https://")] = trusted

    async def close(self) -> None:
        """Ends what is under way."""
        for _, keys in self._issuers.values():
            await keys.close()

    async def verify(self, token: str, nonce: str) -> Person:
        """Who the token is about. A `nonce` that is not empty must be in it.

        Raises:
            Unauthenticated: the token is not valid (reason INVALID_ID_TOKEN). The text tells nothing of it.
            Unavailable: the issuer's keys cannot be had.
        """
        try:
            header = jwt.get_unverified_header(token)
            named = jwt.decode(token, options={"verify_signature": False}).get("iss")
        except (jwt.PyJWTError, ValueError, TypeError):
            raise _refused() from None
        if not isinstance(named, str) or named not in self._issuers:
            raise _refused()
        issuer, keys = self._issuers[named]
        key = await keys.find(header.get("kid", ""))
        if key is None:
            raise _refused()
        try:
            claims = jwt.decode(
                token, key, algorithms=[key.algorithm_name], audience=issuer.audiences, options=_OPTIONS
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            raise _refused() from None
        if not self._is_current(claims) or not _is_for(claims, issuer) or not _holds(claims, nonce):
            raise _refused()
        return _person(claims, issuer)

    def _is_current(self, claims: Mapping[str, Any]) -> bool:
        now = self._clock() / 1000
        times = (claims["exp"], claims["iat"], claims.get("nbf", 0))
        if not all(type(time) in (int, float) and 0 <= time < 2**40 for time in times):
            return False
        expires, issued, begins = times
        return bool(now - _LEEWAY < expires and max(issued, begins) <= now + _LEEWAY)


def _is_for(claims: Mapping[str, Any], issuer: OpenIdIssuer) -> bool:
    """Whether a token for several audiences was asked for by one of ours."""
    audience = claims["aud"]
    return isinstance(audience, str) or len(audience) == 1 or claims.get("azp") in issuer.audiences


def _holds(claims: Mapping[str, Any], nonce: str) -> bool:
    held = _text(claims, "nonce")
    return not nonce or hmac.compare_digest(held.encode(), nonce.encode())


def _person(claims: Mapping[str, Any], issuer: OpenIdIssuer) -> Person:
    subject = _text(claims, "sub")
    if not subject or subject != claims["sub"] or len(subject) > _LONGEST_SUBJECT:
        raise _refused()
    # As text by Apple and others.
    is_verified = claims.get("email_verified") in (True, "true")
    email = _text(claims, issuer.username_claim) or (_text(claims, "email") if is_verified else "")
    return Person(
        issuer=issuer.issuer,
        subject=subject,
        email=email,
        names=tuple(_text(claims, name) for name in ("name", "login", "preferred_username")),
    )


def _text(claims: Mapping[str, Any], name: str) -> str:
    """A claim as text that can be stored: JSON lets half characters through."""
    value = claims.get(name)
    return value.encode("utf-8", "ignore").decode() if isinstance(value, str) else ""


def _refused() -> Unauthenticated:
    return Unauthenticated("the ID token is not valid", reason="INVALID_ID_TOKEN")
