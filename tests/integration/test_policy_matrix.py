"""Every RPC against every kind of caller: what happens is what its policy declares, and nothing more is allowed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from grpc import StatusCode, aio
from llmchat.options.v1.policy_pb2 import WHO_ADMIN, WHO_ANYONE, WHO_OWNER, WHO_SERVICE, WHO_USER

from libs.common.rpc.method import Method, read_methods
from libs.common.rpc.status import from_rpc_error
from tests.integration.callers import CALLERS, Caller, Life, Registry, begin
from tests.integration.conftest import open_house
from tests.unit.test_contract import rpcs

ALLOWED, HIDDEN, DENIED, UNAUTHENTICATED = "allowed", "hidden", "denied", "unauthenticated"

# By the reason of a refusal; any other answer or refusal is one to a caller who was let through.
REFUSALS = {
    "NOT_FOUND": HIDDEN,
    "PERMISSION_DENIED": DENIED,
    "KEY_NOT_PERMITTED": DENIED,
    "UNAUTHENTICATED": UNAUTHENTICATED,
    "TOKEN_EXPIRED": UNAUTHENTICATED,
    "SIGN_IN_ENDED": UNAUTHENTICATED,
    "INVALID_ACCESS_KEY": UNAUTHENTICATED,
}


# A request of each RPC that is sound, and about what is the owner's where it is about something. Some
# are refused for a field, which comes after all that is tested here.
REQUESTS: Mapping[str, Callable[[Life], dict[str, Any]]] = {
    "CreateUser": lambda life: {},
    "Login": lambda life: {},
    "RefreshSession": lambda life: {},
    "SignInWithIdToken": lambda life: {},
    "GetUser": lambda life: {"id": life.user_id},
    "UpdateUser": lambda life: {
        "user": {"id": life.user_id, "display_name": "Ada"},
        "update_mask": "displayName",
    },
    "DeleteUser": lambda life: {"id": life.user_id},
    "Logout": lambda life: {},
    "ListSessions": lambda life: {},
    "RevokeSession": lambda life: {"id": life.session_id},
    "ChangePassword": lambda life: {"current_password": "x", "new_password": "short"},
    "SetProviderKey": lambda life: {"provider": "KEY_PROVIDER_OPENAI", "api_key": "not one"},
    "DeleteProviderKey": lambda life: {"provider": "KEY_PROVIDER_OPENAI"},
    "GetUserSettings": lambda life: {},
    "ResolveProviderKey": lambda life: {"provider": "KEY_PROVIDER_OPENAI"},
    "ReportProviderKey": lambda life: {"provider": "KEY_PROVIDER_OPENAI", "key_hash": "x"},
    "ReencryptProviderKeys": lambda life: {},
    "CreateAccessKey": lambda life: {"name": "a program", "permissions": ["thread.read"]},
    "ListAccessKeys": lambda life: {},
    "RevokeAccessKey": lambda life: {"id": life.access_key_id},
    "ListUsers": lambda life: {},
    "SuspendUser": lambda life: {"id": life.user_id, "reason": "spam"},
    "ReactivateUser": lambda life: {"id": life.user_id},
    "SetUserRole": lambda life: {"id": life.user_id, "role": "USER_ROLE_USER"},
    "CreateThread": lambda life: {},
    "GetThread": lambda life: {"id": life.thread_id},
    "ListThreads": lambda life: {},
    "WatchThreads": lambda life: {},
    "UpdateThread": lambda life: {
        "thread": {"id": life.thread_id, "title": "A title"},
        "update_mask": "title",
    },
    "DeleteThread": lambda life: {"id": life.thread_id},
    "SetGeneratedTitle": lambda life: {"id": life.thread_id, "title": "A title"},
    "PruneThreads": lambda life: {"keep": 1},
    "SearchThreads": lambda life: {"query": "words"},
    "ShareThread": lambda life: {"id": life.thread_id, "is_public": True},
    "UnshareThread": lambda life: {"id": life.thread_id},
    "GetSharedThread": lambda life: {},
    "ImportThreads": lambda life: {"begin": {"format": "CONVERSATION_FORMAT_CHATGPT"}},
    "ExportThreads": lambda life: {"format": "CONVERSATION_FORMAT_CHATGPT", "thread_ids": [life.thread_id]},
    "SendMessage": lambda life: {"thread_id": life.thread_id, "model_id": "echo", "content": "Hello"},
    "StreamTokens": lambda life: {"message_id": life.message_id},
    "CancelGeneration": lambda life: {"message_id": life.message_id},
    "GetMessage": lambda life: {"id": life.message_id},
    "ListMessages": lambda life: {"thread_id": life.thread_id},
    "EditMessage": lambda life: {"message_id": life.message_id, "content": "Hello"},
    "RegenerateMessage": lambda life: {"message_id": life.message_id},
    "SelectVersion": lambda life: {"message_id": life.message_id},
    "SetFeedback": lambda life: {"message_id": life.message_id, "feedback": {"rating": 5}},
    "DeleteMessage": lambda life: {"id": life.message_id},
    "ClaimAnswer": lambda life: {"model_id": "echo", "message_id": life.message_id, "claimant": "one"},
    "ImportMessages": lambda life: {"thread_id": life.thread_id},
    "ListSharedMessages": lambda life: {},
    "AppendTokens": lambda life: {"open": {"message_id": life.message_id, "generation": "one"}},
    "Summarize": lambda life: {"thread_id": life.thread_id, "model_id": "echo"},
    "SuggestTitle": lambda life: {"thread_id": life.thread_id, "model_id": "echo"},
    "CheckProvider": lambda life: {"provider": "MODEL_PROVIDER_ECHO"},
    "PullModel": lambda life: {"model_id": "echo"},
    "ListModels": lambda life: {},
    "GetModel": lambda life: {"id": "echo"},
    "WatchModels": lambda life: {},
    "UpsertModel": lambda life: {
        "model": {
            "id": "another-echo",
            "name": "Another echo",
            "provider": "MODEL_PROVIDER_ECHO",
            "specs": {"context_length": 1000},
        }
    },
    "DeprecateModel": lambda life: {"id": "no such model"},
    "RemoveModel": lambda life: {"id": "no such model"},
    "LoadModel": lambda life: {"id": "echo"},
    "GetProviderHealth": lambda life: {},
    "GetOperation": lambda life: {"id": life.operation_id},
    "ListOperations": lambda life: {},
    "CreateOperation": lambda life: {
        "type": "OPERATION_TYPE_GENERATE_TITLE",
        "thread_id": life.thread_id,
        "model_id": "echo",
    },
    "RetryOperation": lambda life: {"id": life.operation_id},
    "CancelOperation": lambda life: {"id": life.operation_id},
    "WatchOperation": lambda life: {"id": life.operation_id},
    "TrackUserDeletion": lambda life: {"user_id": life.user_id, "operation_id": f"op_delete_{life.user_id}"},
    "CheckIntegrity": lambda life: {"services": ["users"]},
    "ListAuditEvents": lambda life: {},
    "ExportUserData": lambda life: {"user_id": life.user_id},
    "GetSystemConfig": lambda life: {},
    "GetSystemVersion": lambda life: {},
    "GetSystemStats": lambda life: {"days": 7},
    "GetSystemHealth": lambda life: {},
    "UpdateSystemConfig": lambda life: {"system_config": {}, "update_mask": "noSuchField"},
    "PullEvents": lambda life: {},
    "ListEvents": lambda life: {"owner": "threads"},
    "CheckService": lambda life: {"service": "threads"},
    "ReplayEvent": lambda life: {"id": "event_1.threads"},
    "ScanReferences": lambda life: {"service": "threads"},
    "FindMissing": lambda life: {"service": "threads", "kind": "thread", "ids": [life.thread_id]},
    "GetMigrations": lambda life: {"service": "threads"},
    "MigrateUp": lambda life: {"service": "threads"},
    "MigrateDown": lambda life: {"service": "threads", "to": 1},
    "ReadPersonalData": lambda life: {"service": "threads", "user_id": life.user_id},
    "ListRevocations": lambda life: {},
    "ResolveAccessKey": lambda life: {},
}
METHODS = [method for rpc in rpcs() for method in read_methods(rpc.containing_service) if method.name == rpc.name]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def registry(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Registry]:
    """One for all of these: each cell of the matrix has a life of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMCHAT_ECHO_TOKENS_PER_SECOND", "0")
        async with open_house(tmp_path_factory.mktemp("matrix")) as house:
            yield Registry(house)


def declared(method: Method, caller: Caller, about_owner: bool) -> set[str]:
    """What may happen by the policy."""
    allow = method.policy.allow
    if caller.authorization is None:
        return {ALLOWED} if WHO_ANYONE in allow else {UNAUTHENTICATED}
    if caller.is_out or (caller.is_deleted and not method.policy.allow_deleted):
        return {UNAUTHENTICATED}
    if WHO_ANYONE in allow:
        return {ALLOWED}
    if not caller.permits(method):
        return {DENIED}
    if caller.service:
        if WHO_SERVICE not in allow or caller.service not in method.policy.services:
            return {DENIED}
        # A person's is hidden from a service that acts for another; what is for services alone they look up by id.
        return {ALLOWED} if caller.user == "owner" and WHO_OWNER in allow else {ALLOWED, HIDDEN}
    if WHO_ADMIN in allow and caller.is_admin:
        return {ALLOWED} if about_owner else {ALLOWED, HIDDEN}
    if WHO_OWNER in allow or WHO_USER in allow:
        if about_owner:
            return {ALLOWED} if caller.user == "owner" else {HIDDEN}
        return {ALLOWED, HIDDEN}
    return {DENIED}


def request_of(method: Method, life: Life) -> Message:
    return ParseDict(REQUESTS[method.name](life), method.request())


async def call(channel: aio.Channel, method: Method, request: Message, caller: Caller) -> tuple[str, bytes]:
    """What happened, and the first answer where there was one."""
    metadata = () if caller.authorization is None else (("authorization", f"Bearer {caller.authorization}"),)
    path, body = method.path, request.SerializeToString()
    # Without a stub, requests and answers are bytes.
    calls: Any = channel
    first = b""
    try:
        if method.client_streaming:
            return ALLOWED, await calls.stream_unary(path)(iter([body]), metadata=metadata, timeout=10)
        if not method.server_streaming:
            return ALLOWED, await calls.unary_unary(path)(body, metadata=metadata, timeout=10)
        stream = calls.unary_stream(path)(body, metadata=metadata, timeout=10)
        first = await stream.read()
        stream.cancel()
    except aio.AioRpcError as error:
        if error.code() in (StatusCode.INTERNAL, StatusCode.UNKNOWN, StatusCode.UNIMPLEMENTED):
            raise
        return REFUSALS.get(from_rpc_error(error).reason, ALLOWED), b""
    return ALLOWED, first if isinstance(first, bytes) else b""


def names(method: Method, life: Life) -> bool:
    body = request_of(method, life).SerializeToString()
    return any(id.encode() in body for id in life.ids)


def test_the_matrix_holds_every_rpc() -> None:
    assert {method.name for method in METHODS} == set(REQUESTS)
    assert len({method.name for method in METHODS}) == len(METHODS)


# A token of another algorithm is signed with a key that is too short for it.
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_what_happens_is_what_the_policy_declares(registry: Registry, method: Method) -> None:
    wrong: list[str] = []
    async with aio.insecure_channel(registry.house.address) as channel:
        for name, make in CALLERS.items():
            life = await begin(registry)
            caller = await make(registry, life)
            expected = declared(method, caller, names(method, life))
            happened, answer = await call(channel, method, request_of(method, life), caller)
            if happened not in expected:
                wrong.append(f"{name}: {happened}, declared is {' or '.join(sorted(expected))}")
            if caller.user == "other" and not caller.is_admin and any(id.encode() in answer for id in life.ids):
                wrong.append(f"{name}: is told of what is the owner's")

    assert wrong == []
