"""The settings of the users service."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, Json, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def secure_url(url: str) -> str:
    """The URL as it is.

    Raises:
        ValueError: it is neither `https` nor `http` to this machine.
    """
    parts = urlsplit(url)
    if not parts.hostname or (parts.scheme != "https" and not (parts.scheme == "http" and _is_here(parts.hostname))):
        raise ValueError("is not an https URL")
    return url


class OpenIdIssuer(BaseModel):
    """An OpenID Connect issuer whose ID tokens open accounts.

    Attributes:
        issuer: What its tokens name, and where its configuration is.
        audience: What its tokens are for: this product's client id there, or several.
        jwks_uri: Where its keys are; left out: where its configuration says.
        username_claim: A claim whose e-mail addresses are to be believed; left out: `email`, with `email_verified`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: Annotated[str, AfterValidator(secure_url)]
    audience: Annotated[str, Field(min_length=1)] | Annotated[tuple[str, ...], Field(min_length=1)]
    jwks_uri: Annotated[str, AfterValidator(secure_url)] | None = None
    username_claim: str = ""

    @property
    def audiences(self) -> tuple[str, ...]:
        """Each that its tokens may be for."""
        return (self.audience,) if isinstance(self.audience, str) else self.audience


def _each_once(issuers: tuple[OpenIdIssuer, ...]) -> tuple[OpenIdIssuer, ...]:
    if len({issuer.issuer for issuer in issuers}) < len(issuers):
        raise ValueError("an issuer is there twice: several audiences are a list")
    return issuers


class UsersSettings(BaseSettings):
    """From the environment, `LLMCHAT_…`, checked at start-up."""

    model_config = SettingsConfigDict(env_prefix="LLMCHAT_", extra="ignore")

    password_cost: int = Field(
        default=12, ge=12, le=16, description="bcrypt's cost of a password; one more takes twice as long."
    )
    login_failures: int = Field(
        default=5, gt=0, description="Failed logins of an account that are free; an address has ten times as many."
    )
    login_longest_wait: float = Field(
        default=300, gt=0, description="Seconds that a login has to wait at most after further failures."
    )
    session_life: float = Field(
        default=30 * 86400, gt=0, description="Seconds after which a session ends that is not refreshed."
    )
    key_check_claude_url: str = Field(
        default="https://api.anthropic.com", description="Who is asked whether they take a Claude key."
    )
    key_check_openai_url: str = Field(
        default="https://api.openai.com/v1",
        validation_alias=AliasChoices("LLMCHAT_KEY_CHECK_OPENAI_URL", "LLMCHAT_OPENAI_BASE_URL"),
        description="Who is asked whether they take an OpenAI key; where `LLMCHAT_OPENAI_BASE_URL` is set, that one.",
    )
    key_check_google_url: str = Field(
        default="https://generativelanguage.googleapis.com", description="Who is asked whether they take a Google key."
    )
    key_check_timeout: float = Field(
        default=10, gt=0, description="Seconds that a provider has to say whether it takes a key."
    )
    openid_issuers: Json[Annotated[tuple[OpenIdIssuer, ...], AfterValidator(_each_once)]] = Field(
        default="[]",
        validate_default=True,
        description='Whose ID tokens open accounts: `[{"issuer": "https://…", "audience": "…"}, …]`; with `jwks_uri`'
        " where the keys are not by discovery, with `username_claim` for a claim of trusted e-mail addresses.",
    )
    master_keys: SecretStr | None = Field(
        default=None,
        description="Keys that seal people's provider keys, as LLMCHAT_SECRET_KEY; left out: derived from that.",
    )


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
