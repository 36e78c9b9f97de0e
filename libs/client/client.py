"""The typed client: one method per thing that a person does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Self

import grpc.aio
from google.protobuf.field_mask_pb2 import FieldMask
from llmchat.catalog.v1 import catalog_service_pb2 as catalog
from llmchat.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from llmchat.catalog.v1.model_config_pb2 import ModelConfig
from llmchat.messages.v1 import messages_service_pb2 as messages
from llmchat.messages.v1.message_pb2 import Message
from llmchat.messages.v1.messages_service_pb2_grpc import MessagesServiceStub
from llmchat.operations.v1 import operations_service_pb2 as operations
from llmchat.operations.v1.operation_pb2 import OPERATION_STATUS_PENDING, OPERATION_STATUS_RUNNING, Operation
from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceStub
from llmchat.threads.v1 import threads_service_pb2 as threads
from llmchat.threads.v1.thread_pb2 import Thread, ThreadSettings
from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceStub
from llmchat.users.v1 import users_service_pb2 as users
from llmchat.users.v1.user_pb2 import User, UserSettings
from llmchat.users.v1.users_service_pb2_grpc import UsersServiceStub

from libs.client.answer import Answer
from libs.client.backoff import Backoff
from libs.client.calls import Calls, broken, new_request_id
from libs.client.watching import ThreadsWatch
from libs.common.errors import DomainError, Invalid, Unavailable
from libs.common.rpc.status import from_rpc_error
from libs.common.settings import SERVICES

_UNDER_WAY = (OPERATION_STATUS_PENDING, OPERATION_STATUS_RUNNING)


class Client:
    """A connection to the services, all at one address or each at its own, as an async context manager.

    Every call has a deadline, every change a `request_id`; a call that finds the server away is repeated, at another
    replica where there is one, until its deadline. Every method raises what the server answered as a DomainError:
    NotFound, Invalid with its violations...

    Args:
        address: Where services listen that have no address of their own: `HOST:PORT`, those of several replicas
            separated by commas, or a gRPC target (`dns:///llmchat:50051`).
        addresses: By service (`users`, `threads`...) an address of its own, in the same form.
        token: An access token of an earlier login; None for nobody.
        timeout: Seconds that a call may take, repeats included.
        patience: Seconds that a broken stream is tried again before it is given up.
    """

    def __init__(
        self,
        address: str = "",
        *,
        addresses: Mapping[str, str] | None = None,
        token: str | None = None,
        timeout: float = 30.0,
        patience: float = 60.0,
    ) -> None:
        """Raises Invalid: a service has no address, or a malformed one."""
        places = {service: (addresses or {}).get(service, address) for service in SERVICES}
        if missing := [service for service, place in places.items() if not place]:
            raise Invalid(f"no address is given for {', '.join(missing)}")
        # A sign-in is remembered under it.
        self.address = places["users"]
        self._patience = patience
        self._calls = Calls(token=token, timeout=timeout)
        self._users = UsersServiceStub(self._calls.channel(places["users"]))
        self._threads = ThreadsServiceStub(self._calls.channel(places["threads"]))
        self._messages = MessagesServiceStub(self._calls.channel(places["messages"]))
        self._catalog = CatalogServiceStub(self._calls.channel(places["catalog"]))
        self._operations = OperationsServiceStub(self._calls.channel(places["operations"]))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection. Answers that are being written are written on."""
        await self._calls.close()

    @property
    def token(self) -> str | None:
        """The access token that calls carry; set by `login`."""
        return self._calls.token

    @token.setter
    def token(self, token: str | None) -> None:
        self._calls.token = token

    # Accounts.

    async def register(
        self, username: str, display_name: str, password: str, *, settings: UserSettings | None = None
    ) -> User:
        """Opens an account; `username` is an e-mail address. Does not log in."""
        request = users.CreateUserRequest(
            username=username,
            display_name=display_name,
            password=password,
            settings=settings,
            request_id=new_request_id(),
        )
        return await self._calls.unary(self._users.CreateUser, request)

    async def login(self, username: str, password: str) -> users.LoginResponse:
        """Logs in; later calls carry the token."""
        answer = await self._calls.unary(self._users.Login, users.LoginRequest(username=username, password=password))
        self._calls.token = answer.access_token
        return answer

    async def me(self) -> User:
        """The account that the token stands for."""
        return await self._calls.unary(self._users.GetUser, users.GetUserRequest(id="me"))

    async def update_user(self, user: User, paths: Sequence[str]) -> User:
        """Changes the fields named by `paths` to those of `user`; Stale when its etag is set and not current."""
        request = users.UpdateUserRequest(user=user, update_mask=FieldMask(paths=paths), request_id=new_request_id())
        return await self._calls.unary(self._users.UpdateUser, request)

    async def delete_user(self, *, etag: str = "") -> Operation:
        """Deletes the account that the token stands for, with everything of it; Stale when `etag` is not current.

        The account is closed when this returns. The rest goes by the operation: `watch_operation` follows it.
        """
        request = users.DeleteUserRequest(id="me", etag=etag, request_id=new_request_id())
        return await self._calls.unary(self._users.DeleteUser, request)

    # Threads.

    async def create_thread(self, title: str = "", *, settings: ThreadSettings | None = None) -> Thread:
        """Opens a conversation. Without a title one is written after the first answer."""
        request = threads.CreateThreadRequest(title=title, settings=settings, request_id=new_request_id())
        return await self._calls.unary(self._threads.CreateThread, request)

    async def get_thread(self, id: str) -> Thread:
        """One conversation."""
        return await self._calls.unary(self._threads.GetThread, threads.GetThreadRequest(id=id))

    async def list_threads(self, *, archived: bool | None = None, page_size: int = 0) -> AsyncIterator[Thread]:
        """The caller's conversations, newest activity first; `archived` None for archived and others together."""
        request = threads.ListThreadsRequest(page_size=page_size, is_archived=archived)
        async for page in self._calls.pages(self._threads.ListThreads, request):
            for thread in page.threads:
                yield thread

    async def update_thread(self, thread: Thread, paths: Sequence[str]) -> Thread:
        """Changes the fields named by `paths` to those of `thread`; Stale when its etag is set and not current."""
        request = threads.UpdateThreadRequest(
            thread=thread, update_mask=FieldMask(paths=paths), request_id=new_request_id()
        )
        return await self._calls.unary(self._threads.UpdateThread, request)

    async def delete_thread(self, id: str, *, etag: str = "") -> None:
        """Removes a conversation now and its messages soon after."""
        request = threads.DeleteThreadRequest(id=id, etag=etag, request_id=new_request_id())
        await self._calls.unary(self._threads.DeleteThread, request)

    def watch_threads(self, limit: int = 0) -> AsyncIterator[threads.ThreadChange]:
        """The newest `limit` conversations (0: 100), `synced`, then every change as it happens, on whichever replica.

        A broken watch is opened again: each conversation is told once at each revision, in order, however often.
        """
        return ThreadsWatch(self._calls, self._threads, limit, self._patience).changes()

    # Messages.

    def send(
        self,
        thread_id: str,
        model_id: str,
        content: str,
        *,
        temperature: float | None = None,
        system_prompt: str = "",
        busy_policy: messages.BusyPolicy = messages.BUSY_POLICY_UNSPECIFIED,
        request_id: str = "",
    ) -> Answer:
        """Asks `model_id`; the question is sent by the first step of the iteration.

        A `request_id` of one's own lets a process that starts again repeat a send that it may have made before.
        """
        request = messages.SendMessageRequest(
            thread_id=thread_id,
            model_id=model_id,
            content=content,
            temperature=temperature,
            system_prompt=system_prompt,
            busy_policy=busy_policy,
            request_id=request_id or new_request_id(),
        )
        return Answer(self._calls, self._messages, send=request, patience=self._patience)

    def resume(self, message_id: str, after_seq: int = 0) -> Answer:
        """The rest of an answer, running or long finished, after the token `after_seq`."""
        return Answer(self._calls, self._messages, message_id=message_id, after_seq=after_seq, patience=self._patience)

    async def get_message(self, id: str) -> Message:
        """One message."""
        return await self._calls.unary(self._messages.GetMessage, messages.GetMessageRequest(id=id))

    async def list_messages(
        self, thread_id: str, *, model_id: str = "", oldest_first: bool = True, page_size: int = 0
    ) -> AsyncIterator[Message]:
        """The messages of a conversation, of all models or of one."""
        request = messages.ListMessagesRequest(
            thread_id=thread_id, model_id=model_id, oldest_first=oldest_first, page_size=page_size
        )
        async for page in self._calls.pages(self._messages.ListMessages, request):
            for message in page.messages:
                yield message

    # Models.

    async def list_models(self, *, page_size: int = 0) -> AsyncIterator[ModelConfig]:
        """The models to talk with, in display order."""
        request = catalog.ListModelsRequest(page_size=page_size)
        async for page in self._calls.pages(self._catalog.ListModels, request):
            for model in page.models:
                yield model

    async def get_model(self, id: str) -> ModelConfig:
        """One model."""
        return await self._calls.unary(self._catalog.GetModel, catalog.GetModelRequest(id=id))

    # Operations.

    async def get_operation(self, id: str) -> Operation:
        """One operation."""
        return await self._calls.unary(self._operations.GetOperation, operations.GetOperationRequest(id=id))

    async def list_operations(self, *, thread_id: str = "", page_size: int = 0) -> AsyncIterator[Operation]:
        """The caller's operations, newest first, of all threads or of one."""
        request = operations.ListOperationsRequest(thread_id=thread_id, page_size=page_size)
        async for page in self._calls.pages(self._operations.ListOperations, request):
            for operation in page.operations:
                yield operation

    async def cancel_operation(self, id: str) -> Operation:
        """Ends an operation; one that has ended stays as it is."""
        request = operations.CancelOperationRequest(id=id, request_id=new_request_id())
        return await self._calls.unary(self._operations.CancelOperation, request)

    async def watch_operation(self, id: str) -> AsyncIterator[Operation]:
        """The operation as it is, then after each change, until it has ended; a broken watch is opened again."""
        backoff = Backoff(self._patience)
        seen: Operation | None = None
        while seen is None or seen.status in _UNDER_WAY:
            watch = self._calls.stream(self._operations.WatchOperation, operations.WatchOperationRequest(id=id))
            failure: DomainError = Unavailable("the watch closed before the operation ended")
            try:
                async for operation in watch:
                    backoff.restart()
                    if operation != seen:
                        seen = operation
                        yield operation
            except grpc.aio.AioRpcError as error:
                failure = from_rpc_error(error)
                if not broken(error):
                    raise failure from error
            finally:
                watch.cancel()
            if (seen is None or seen.status in _UNDER_WAY) and not await backoff.pause():
                raise failure
