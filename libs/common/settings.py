"""The settings that every process reads: from the environment, `LLMCHAT_…`, checked at start-up."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

SERVICES = ("users", "threads", "messages", "catalog", "operations")

_ADDRESS = "Where {} is served, for who does not serve it: `HOST:PORT,…`, or a gRPC target."

_STORE = "Where the documents of {} are kept, if elsewhere than the others'."


class Settings(BaseSettings):
    """What all services share. A service's own settings stand in its folder."""

    model_config = SettingsConfigDict(env_prefix="LLMCHAT_", extra="ignore")

    listen: str = Field(default="127.0.0.1:50051", description="Address and port to serve; port 0 takes a free one.")
    store_url: str = Field(
        default="sqlite:///./data",
        repr=False,
        description="Where documents are kept: `sqlite:///FOLDER`, `postgresql://…`, `mysql://…`, `mongodb://…`,"
        " `rtdb://…` or `firestore://…`.",
    )
    users_store_url: str = Field(default="", repr=False, description=_STORE.format("users"))
    threads_store_url: str = Field(default="", repr=False, description=_STORE.format("threads"))
    messages_store_url: str = Field(default="", repr=False, description=_STORE.format("messages"))
    catalog_store_url: str = Field(default="", repr=False, description=_STORE.format("catalog"))
    operations_store_url: str = Field(default="", repr=False, description=_STORE.format("operations"))
    bus_url: str = Field(
        default="memory://",
        repr=False,
        description="What carries hints between processes: `redis://HOST:PORT`, or `memory://` for one process alone.",
    )
    shared_cache: bool = Field(
        default=False,
        description="Whether processes that share a bus remember lists of threads and models in its Redis: for a store"
        " that is farther away. One process alone remembers them in any case.",
    )
    users_address: str = Field(default="", description=_ADDRESS.format("users"))
    threads_address: str = Field(default="", description=_ADDRESS.format("threads"))
    messages_address: str = Field(default="", description=_ADDRESS.format("messages"))
    catalog_address: str = Field(default="", description=_ADDRESS.format("catalog"))
    operations_address: str = Field(default="", description=_ADDRESS.format("operations"))
    secret_key: SecretStr | None = Field(
        default=None,
        description="32 bytes in base64 that all keys derive from; or several, separated by commas, the current first."
        " Left out: made and kept in the data folder.",
    )
    reflection: bool = Field(default=True, description="Whether grpcurl may ask what there is to call.")
    token_life: float = Field(default=900, gt=0, le=86400, description="Seconds that an access token is good.")
    tls_certificate: str = Field(
        default="",
        description="PEM file of the certificate that names the services served here; left out: plain text.",
    )
    tls_key: str = Field(default="", description="PEM file of its key.")
    tls_ca: str = Field(
        default="",
        description="PEM file of the authority whose certificates everyone has to show; to a client, the word for TLS.",
    )
    trusted_proxies: int = Field(
        default=0, ge=0, description="Proxies of one's own before the server, whose x-forwarded-for is believed."
    )
    limits: str = Field(
        default="",
        description='Limits that a new installation begins with, as JSON: `{"requests_per_minute": 60, …}`; or `off`.'
        " Also what a process goes by until it has heard from operations.",
    )
    default_deadline: float = Field(default=30, gt=0, description="Seconds for a unary call that sets no deadline.")
    stop_grace: float = Field(default=5, ge=0, description="Seconds that running calls get at a stop.")
    slow_query: float = Field(default=0.05, gt=0, description="Seconds from which a store call is logged as slow.")
    connection_age: float = Field(
        default=300, gt=0, description="Seconds after which a connection is renewed, so that new replicas are found."
    )
    migrate: Literal["off", "check", "up"] | None = Field(
        default=None,
        description="What a start does about pending migrations: `up` applies them while it serves, `check` refuses to"
        " start, `off` says so. Left out: `up` in a process that has its documents alone, else `off`.",
    )
    migration_lease: float = Field(
        default=15, gt=0, description="Seconds after which a silent process that runs migrations counts as dead."
    )
    redelivery_interval: float = Field(default=2, gt=0, description="Seconds between looks for unsettled events.")
    pull_interval: float = Field(default=3, gt=0, description="Seconds after which a consumer asks for missed events.")
    inbox_lease: float = Field(
        default=15, gt=0, description="Seconds after which a silent handler of a large event counts as dead."
    )
    environment: Literal["development", "staging", "production"] = Field(
        default="development", description="What GetSystemVersion says of it; nothing else depends on it."
    )
    build_time: datetime | None = Field(default=None, description="When this was built, in ISO 8601, as shown there.")
    git_commit: str = Field(default="", max_length=64, description="From which commit it was built, as shown there.")
    failpoints: str = Field(
        default="", description="For tests of crashes: `NAME=ACTION[@N],…`; an action is kill, freeze or error."
    )
    metrics_listen: str = Field(
        default="", description="`HOST:PORT` where Prometheus reads the process's metrics; left out: nowhere."
    )
    otlp_endpoint: str = Field(
        default="", description="Where traces go, an OTLP collector: `http://HOST:4317`; left out: nowhere."
    )
    traced_part: float = Field(default=1, ge=0, le=1, description="Which part of the traces that begin here is kept.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="The least severe log line."
    )
    log_format: Literal["text", "json"] = Field(default="text", description="How log lines look.")

    def address_of(self, service: str) -> str:
        """Where `service` is served by others; empty where nothing was said."""
        address: str = getattr(self, f"{service}_address")
        return address

    def store_of(self, service: str) -> str:
        """Where the documents of `service` are kept."""
        own: str = getattr(self, f"{service}_store_url")
        return own or self.store_url

    def stores_of(self, services: Collection[str]) -> set[str]:
        """Where the documents of `services` are kept, each place once."""
        return {self.store_of(service) for service in services}


def address_setting(service: str) -> str:
    """The environment variable that says where `service` is served."""
    return f"LLMCHAT_{service.upper()}_ADDRESS"
