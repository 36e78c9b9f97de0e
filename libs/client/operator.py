"""What an operator asks of a running system, and does to it: its documents, events, accounts, models and limits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Self, TypeVar

import grpc.aio
from google.protobuf.field_mask_pb2 import FieldMask
from llmchat.catalog.v1 import catalog_service_pb2 as catalog
from llmchat.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from llmchat.catalog.v1.model_config_pb2 import ModelConfig
from llmchat.events.v1.events_service_pb2 import ListEventsRequest, ReplayEventRequest
from llmchat.events.v1.events_service_pb2_grpc import EventsServiceStub
from llmchat.migrations.v1.migrations_service_pb2 import (
    GetMigrationsRequest,
    MigrateDownRequest,
    MigrateUpRequest,
    MigrationStatus,
)
from llmchat.migrations.v1.migrations_service_pb2_grpc import MigrationsServiceStub
from llmchat.operations.v1 import operations_service_pb2 as operations
from llmchat.operations.v1.audit_event_pb2 import AuditEvent
from llmchat.operations.v1.operation_pb2 import Operation
from llmchat.operations.v1.operations_service_pb2 import EXPORT_FORMAT_JSON_LINES, ExportFormat
from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceStub
from llmchat.operations.v1.system_config_pb2 import SystemConfig
from llmchat.operations.v1.system_health_pb2 import SystemHealth
from llmchat.operations.v1.system_stats_pb2 import SystemStats
from llmchat.operations.v1.system_version_pb2 import SystemVersion
from llmchat.store.v1.migration_pb2 import MigrationRecord
from llmchat.store.v1.outbox_pb2 import OutboxEvent
from llmchat.users.v1 import users_service_pb2 as users
from llmchat.users.v1.user_pb2 import User, UserRole
from llmchat.users.v1.users_service_pb2_grpc import UsersServiceStub

from libs.client.authorization import of_token
from libs.client.calls import Calls, Request, Response, new_request_id
from libs.client.export import export_of
from libs.client.operations import watch_operation
from libs.client.stream import Stream
from libs.common.clock import timestamp
from libs.common.errors import NotFound
from libs.common.rpc.status import from_rpc_error
from libs.common.rpc.tls import Tls

S = TypeVar("S")
_PAGE_SIZE = 100
# Seconds that a broken watch is tried again before it is given up.
_PATIENCE = 60.0


class Operator:
    """A connection to all services in the name of an administrator, as an async context manager.

    Every method raises what the server answered as a DomainError.

    Args:
        addresses: Where each service listens, by its name; as of `Client`.
        token: An administrator's access token.
        tls: As of `Client`.
        timeout: Seconds that a call may take, repeats included.
    """

    def __init__(
        self, addresses: Mapping[str, str], *, token: str, tls: Tls | None = None, timeout: float = 10.0
    ) -> None:
        self._calls = Calls(of_token(token), timeout=timeout, tls=tls)
        self._operations = OperationsServiceStub(self._calls.channel(addresses["operations"], "operations"))
        self._users = UsersServiceStub(self._calls.channel(addresses["users"], "users"))
        self._catalog = CatalogServiceStub(self._calls.channel(addresses["catalog"], "catalog"))
        self._events = {
            service: EventsServiceStub(self._calls.channel(place, service)) for service, place in addresses.items()
        }
        self._migrations = {
            service: MigrationsServiceStub(self._calls.channel(place, service)) for service, place in addresses.items()
        }

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._calls.close()

    async def check(self, services: Sequence[str] = ()) -> AsyncIterator[operations.CheckIntegrityResponse]:
        """The steps of a check of some services, all where none is named; the last one is the summary."""
        request = operations.CheckIntegrityRequest(services=services)
        async with self._streamed(self._operations.CheckIntegrity, request) as steps:
            async for step in steps:
                yield step

    async def events(self, owner: str, *, parked_only: bool = False) -> AsyncIterator[OutboxEvent]:
        """A service's events that a consumer has yet to handle."""
        request = ListEventsRequest(owner=owner, parked_only=parked_only, page_size=_PAGE_SIZE)
        async for page in self._calls.pages(_of(self._events, owner).ListEvents, request):
            for event in page.events:
                yield event

    async def replay(self, event_id: str) -> OutboxEvent:
        """Has an event delivered again, with all of its attempts before it."""
        request = ReplayEventRequest(id=event_id, request_id=new_request_id())
        # An event's id ends with its owner's name.
        return await self._calls.unary(_of(self._events, event_id.rpartition(".")[2]).ReplayEvent, request)

    async def list_users(self, *, username: str = "") -> AsyncIterator[User]:
        """All accounts, newest first, or the one with the username."""
        request = users.ListUsersRequest(username=username, page_size=_PAGE_SIZE)
        async for page in self._calls.pages(self._users.ListUsers, request):
            for user in page.users:
                yield user

    async def open_account(self, username: str, display_name: str, password: str) -> User:
        """Opens an account for a person, also where people may open none by themselves."""
        request = users.CreateUserRequest(
            username=username, display_name=display_name, password=password, request_id=new_request_id()
        )
        return await self._calls.unary(self._users.CreateUser, request)

    async def suspend(self, user_id: str, reason: str) -> User:
        """Shuts a person out, who is shown the reason. Nothing of theirs is lost."""
        request = users.SuspendUserRequest(id=user_id, reason=reason, request_id=new_request_id())
        return await self._calls.unary(self._users.SuspendUser, request)

    async def reactivate(self, user_id: str) -> User:
        """Lets a suspended person sign in again."""
        request = users.ReactivateUserRequest(id=user_id, request_id=new_request_id())
        return await self._calls.unary(self._users.ReactivateUser, request)

    async def set_role(self, user_id: str, role: UserRole) -> User:
        """Makes a person an administrator, or an administrator a person again."""
        request = users.SetUserRoleRequest(id=user_id, role=role, request_id=new_request_id())
        return await self._calls.unary(self._users.SetUserRole, request)

    async def delete_user(self, user_id: str) -> Operation:
        """Deletes anyone's account with everything of it, as far as the operation says."""
        request = users.DeleteUserRequest(id=user_id, request_id=new_request_id())
        return await self._calls.unary(self._users.DeleteUser, request)

    async def migrations(self, service: str) -> list[MigrationStatus]:
        """The migrations of a service, and what has become of each."""
        answer = await self._calls.unary(
            _of(self._migrations, service).GetMigrations, GetMigrationsRequest(service=service)
        )
        return list(answer.migrations)

    async def migrate_up(self, service: str) -> AsyncIterator[MigrationRecord]:
        """Applies what is pending of a service: each migration as it is after every page."""
        request = MigrateUpRequest(service=service, request_id=new_request_id())
        async with self._streamed(_of(self._migrations, service).MigrateUp, request) as steps:
            async for step in steps:
                yield step.migration

    async def migrate_down(self, service: str, to: int) -> AsyncIterator[MigrationRecord]:
        """Rolls back what was applied of a service beyond a number: as `migrate_up`."""
        request = MigrateDownRequest(service=service, to=to, request_id=new_request_id())
        async with self._streamed(_of(self._migrations, service).MigrateDown, request) as steps:
            async for step in steps:
                yield step.migration

    def watch_operation(self, id: str) -> AsyncIterator[Operation]:
        """Anyone's operation as it is, then after each change, until it has ended."""
        return watch_operation(self._calls, self._operations, id, _PATIENCE)

    def export(self, user_id: str, format: ExportFormat = EXPORT_FORMAT_JSON_LINES) -> AsyncIterator[bytes]:
        """Everything of anyone's, without secrets: a file in pieces of whole lines."""
        return export_of(self._calls, self._operations, user_id, format)

    async def reencrypt_provider_keys(self) -> users.ReencryptProviderKeysResponse:
        """Encrypts every provider key under the current master key."""
        request = users.ReencryptProviderKeysRequest(request_id=new_request_id())
        return await self._calls.unary(self._users.ReencryptProviderKeys, request)

    async def get_model(self, id: str) -> ModelConfig:
        """One model, in use or not."""
        return await self._calls.unary(self._catalog.GetModel, catalog.GetModelRequest(id=id))

    async def put_model(self, model: ModelConfig) -> ModelConfig:
        """Puts a model into the catalog, or in place of the one with its id; Stale when its etag is not current."""
        request = catalog.UpsertModelRequest(model=model, request_id=new_request_id())
        return await self._calls.unary(self._catalog.UpsertModel, request)

    async def deprecate_model(self, id: str, replacement_id: str = "") -> ModelConfig:
        """Takes a model out of use; who uses it moves to the replacement."""
        request = catalog.DeprecateModelRequest(id=id, replacement_id=replacement_id, request_id=new_request_id())
        return await self._calls.unary(self._catalog.DeprecateModel, request)

    async def remove_model(self, id: str) -> ModelConfig:
        """Takes a deprecated model out of the lists."""
        request = catalog.RemoveModelRequest(id=id, request_id=new_request_id())
        return await self._calls.unary(self._catalog.RemoveModel, request)

    async def audit_events(
        self,
        *,
        user_id: str = "",
        entity: tuple[str, str] = ("", ""),
        action: str = "",
        since: int | None = None,
        until: int | None = None,
    ) -> AsyncIterator[AuditEvent]:
        """What was done that is sensitive, newest first.

        Args:
            user_id: whose account it concerns; each of these left out: any.
            entity: the kind and id of what it was done to.
            action: what was done: `user.login`.
            since: from this moment on, in milliseconds of the epoch.
            until: before this moment.
        """
        request = operations.ListAuditEventsRequest(
            page_size=_PAGE_SIZE,
            user_id=user_id,
            entity_type=entity[0],
            entity_id=entity[1],
            action=action,
            since=None if since is None else timestamp(since),
            until=None if until is None else timestamp(until),
        )
        async for page in self._calls.pages(self._operations.ListAuditEvents, request):
            for event in page.audit_events:
                yield event

    async def system_config(self) -> SystemConfig:
        """The configuration in force."""
        return await self._calls.unary(self._operations.GetSystemConfig, operations.GetSystemConfigRequest())

    async def update_system_config(self, config: SystemConfig, paths: Sequence[str]) -> SystemConfig:
        """Changes the fields named by `paths` to those of `config`; Stale when its etag is set and not current."""
        request = operations.UpdateSystemConfigRequest(
            system_config=config, update_mask=FieldMask(paths=paths), request_id=new_request_id()
        )
        return await self._calls.unary(self._operations.UpdateSystemConfig, request)

    async def system_version(self) -> SystemVersion:
        """What runs there."""
        return await self._calls.unary(self._operations.GetSystemVersion, operations.GetSystemVersionRequest())

    async def system_stats(self, days: int = 0) -> SystemStats:
        """What there is and what was done, with the last so many days; 0 stands for 30."""
        request = operations.GetSystemStatsRequest(days=days)
        return await self._calls.unary(self._operations.GetSystemStats, request)

    async def system_health(self) -> SystemHealth:
        """How every part is."""
        return await self._calls.unary(self._operations.GetSystemHealth, operations.GetSystemHealthRequest())

    @asynccontextmanager
    async def _streamed(
        self, method: grpc.aio.UnaryStreamMultiCallable[Request, Response], request: Request
    ) -> AsyncIterator[Stream[Response]]:
        """A stream that ends with the context, and whose errors are domain errors."""
        steps = self._calls.stream(method, request)
        try:
            yield steps
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        finally:
            steps.cancel()


def _of(stubs: Mapping[str, S], service: str) -> S:
    if service not in stubs:
        raise NotFound("service", service)
    return stubs[service]
