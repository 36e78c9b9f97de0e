"""The connection that everything which a person does is done over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from llmchat.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceStub
from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceStub
from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceStub
from llmchat.users.v1.users_service_pb2 import LoginResponse, RefreshSessionRequest
from llmchat.users.v1.users_service_pb2_grpc import UsersServiceStub

from libs.client.authorization import Authorization, OnSession, Shared
from libs.client.calls import Calls
from libs.client.session import Session
from libs.common.errors import Invalid
from libs.common.rpc.tls import Tls
from libs.common.settings import SERVICES


class Connection:
    """A connection to the services, all at one address or each at its own, as an async context manager.

    Every call has a deadline, every change a `request_id`; a call that finds the server away is repeated, at another
    replica where there is one, until its deadline. Every method raises what the server answered as a DomainError:
    NotFound, Invalid with its violations...

    A sign-in lasts: its access token is exchanged before it expires, once for all calls. Where several processes go on
    with one sign-in, they must take turns at that (`shared`), since a refresh token that is used twice ends it.

    Args:
        address: Where services listen that have no address of their own: `HOST:PORT`, those of several replicas
            separated by commas, or a gRPC target (`dns:///llmchat:50051`).
        addresses: By service (`users`, `threads`...) an address of its own, in the same form.
        token: An access token of an earlier login, which is not refreshed, or an access key; None for nobody.
        session: A sign-in to go on with, as `on_session` told it; in place of a token.
        tls: What is shown to the services and asked of them; None: nothing, in plain text.
        timeout: Seconds that a call may take, repeats included.
        patience: Seconds that a broken stream is tried again before it is given up.
        on_session: Is called with the session of each sign-in and of each refresh, for who goes on with it later.
        shared: Gives the session as others may have left it, to this process alone while the context lasts.
    """

    def __init__(
        self,
        address: str = "",
        *,
        addresses: Mapping[str, str] | None = None,
        token: str | None = None,
        session: Session | None = None,
        tls: Tls | None = None,
        timeout: float = 30.0,
        patience: float = 60.0,
        on_session: OnSession | None = None,
        shared: Shared | None = None,
    ) -> None:
        """Raises Invalid: a service has no address, or a malformed one."""
        places = {service: (addresses or {}).get(service, address) for service in SERVICES}
        if missing := [service for service, place in places.items() if not place]:
            raise Invalid(f"no address is given for {', '.join(missing)}")
        # A sign-in is remembered under it.
        self.address = places["users"]
        self._patience = patience
        self._authorization = Authorization(session, self._refresh, on_session=on_session, shared=shared)
        if token is not None:
            self.token = token
        self._calls = Calls(self._authorization, timeout=timeout, tls=tls)
        self._users = UsersServiceStub(self._calls.channel(places["users"], "users"))
        self._threads = ThreadsServiceStub(self._calls.channel(places["threads"], "threads"))
        self._messages = MessagesServiceStub(self._calls.channel(places["messages"], "messages"))
        self._catalog = CatalogServiceStub(self._calls.channel(places["catalog"], "catalog"))
        self._operations = OperationsServiceStub(self._calls.channel(places["operations"], "operations"))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection. Answers that are being written are written on."""
        await self._calls.close()

    @property
    def session(self) -> Session | None:
        """In whose name calls are made: set by a sign-in, replaced by each refresh; None for nobody."""
        return self._authorization.session

    @session.setter
    def session(self, session: Session | None) -> None:
        self._authorization.session = session

    @property
    def token(self) -> str | None:
        """The access token or access key that calls carry. One that is set is not refreshed."""
        return None if self.session is None else self.session.token

    @token.setter
    def token(self, token: str | None) -> None:
        self.session = None if token is None else Session("", token)

    async def _refresh(self, request: RefreshSessionRequest) -> LoginResponse:
        return await self._calls.nobodys(self._users.RefreshSession, request)
