"""No secret goes where it should not: a canary in every secret field, looked for in all that is said and stored."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from grpc import aio
from llmchat.operations.v1.operations_service_pb2 import ExportUserDataRequest, ListAuditEventsRequest
from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceStub
from llmchat.users.v1 import users_service_pb2 as pb
from llmchat.users.v1.user_pb2 import KEY_PROVIDER_CLAUDE, KEY_PROVIDER_OPENAI

from libs.client.server_process import free_ports, serving
from libs.common.crypto.keys import KeyRing
from libs.common.crypto.tokens import Tokens
from libs.common.redaction import is_secret
from libs.common.rpc.method import Method, read_methods
from libs.common.settings import SERVICES
from tests.integration.calling import eventually
from tests.unit.test_contract import rpcs

METHODS = [method for rpc in rpcs() for method in read_methods(rpc.containing_service) if method.name == rpc.name]
RING = KeyRing.generate()
TOKENS = Tokens(RING.derive("tokens"))


@dataclass
class Aviary:
    """The canaries that were let in, and all that came back."""

    address: str
    folder: Path
    log: Path
    canaries: list[str] = field(default_factory=list)
    heard: list[bytes] = field(default_factory=list)

    def canary(self, form: str = "{}") -> str:
        """A secret of that form, never seen before."""
        made = form.format(f"canary{secrets.token_hex(12)}")
        self.canaries.append(made)
        return made

    def keep(self, *issued: str) -> None:
        """Secrets that the server has made."""
        self.canaries += issued

    async def call(self, channel: aio.Channel, path: str, request: Message, token: str | None = None) -> bytes | None:
        """The answer, which only its asker gets; a refusal is kept with all that it says."""
        metadata = () if token is None else (("authorization", f"Bearer {token}"),)
        calls: Any = channel
        try:
            answer: bytes = await calls.unary_unary(path)(request.SerializeToString(), metadata=metadata, timeout=20)
        except aio.AioRpcError as error:
            trailers = b"".join(v if isinstance(v, bytes) else v.encode() for _, v in error.trailing_metadata() or ())
            self.heard.append(f"{error.details()} {error.debug_error_string()}".encode() + trailers)
            return None
        return answer

    def found(self) -> set[str]:
        """The canaries that are where none should be: in refusals, audit, export, log, and in the clear at rest."""
        places = [*self.heard, self.log.read_bytes()]
        places += [file.read_bytes() for file in sorted(self.folder.rglob("*")) if file.is_file()]
        return {canary for canary in self.canaries if any(canary.encode() in place for place in places)}


@pytest.fixture
async def aviary(tmp_path: Path) -> AsyncIterator[Aviary]:
    """A server in a process of its own, which logs all that it can."""
    address, folder, log = f"127.0.0.1:{free_ports(1)[0]}", tmp_path / "data", tmp_path / "server.log"
    settings = {
        "LLMCHAT_STORE_URL": f"sqlite:///{folder}",
        "LLMCHAT_SECRET_KEY": RING.current.encoded,
        "LLMCHAT_LOG_LEVEL": "DEBUG",
        "LLMCHAT_ECHO_TOKENS_PER_SECOND": "0",
    }
    async with serving(address, settings, log=log):
        yield Aviary(address, folder, log)


def secret_fields(message: Descriptor) -> Iterator[FieldDescriptor]:
    return (field for field in message.fields if is_secret(field))


def filled(method: Method, aviary: Aviary) -> Message | None:
    """A request with a canary in each secret field and nothing in the others; None where it has no secret field."""
    request = method.request()
    for secret in secret_fields(cast(Descriptor, method.request.DESCRIPTOR)):
        setattr(request, secret.name, aviary.canary())
    return request if request.ByteSize() else None


async def test_secrets_of_refused_requests_are_repeated_nowhere(aviary: Aviary) -> None:
    callers = [None, TOKENS.issue_user("user_ada", False)[0], TOKENS.issue_user("user_ada", True)[0]]
    callers += [TOKENS.issue_service(name, "user_ada", False)[0] for name in SERVICES]
    asked = 0
    async with aio.insecure_channel(aviary.address) as channel:
        for method in METHODS:
            for caller in callers:
                request = filled(method, aviary)
                if request is not None:
                    await aviary.call(channel, method.path, request, caller)
                    asked += 1
        for wrong in ("{}", "llmchat_{}", "eyJhbGciOiJIUzI1NiJ9.{}.x"):
            await aviary.call(
                channel, "/llmchat.users.v1.UsersService/GetUser", pb.GetUserRequest(id="me"), aviary.canary(wrong)
            )

    assert asked >= 8 * len(callers)
    assert len(aviary.heard) > asked / 2
    assert aviary.found() == set()


async def test_secrets_that_are_accepted_and_issued_are_told_and_stored_nowhere(aviary: Aviary) -> None:
    password, new_password = aviary.canary(), aviary.canary()
    async with aio.insecure_channel(aviary.address) as channel:

        async def users(name: str, request: Message, token: str | None = None) -> bytes | None:
            return await aviary.call(channel, f"/llmchat.users.v1.UsersService/{name}", request, token)

        account = pb.CreateUserRequest(
            username="ada@example.org", display_name="Ada", password=password, request_id="1"
        )
        for _ in range(2):
            assert await users("CreateUser", account) is not None
        account.request_id = "2"
        assert await users("CreateUser", account) is None
        login = pb.LoginRequest(username="ada@example.org", password=aviary.canary())
        assert await users("Login", login) is None
        login.password = password
        session = pb.LoginResponse.FromString(await users("Login", login) or b"")
        aviary.keep(session.access_token, session.refresh_token)

        refresh = pb.RefreshSessionRequest(refresh_token=session.refresh_token, request_id="3")
        renewed = pb.LoginResponse.FromString(await users("RefreshSession", refresh) or b"")
        aviary.keep(renewed.access_token, renewed.refresh_token)
        token = renewed.access_token

        change = pb.ChangePasswordRequest(current_password=aviary.canary(), new_password=new_password)
        assert await users("ChangePassword", change, token) is None
        change.current_password, change.request_id = password, "4"
        assert await users("ChangePassword", change, token) is not None

        claude, openai = aviary.canary("sk-ant-api03-{}" + "A" * 80), aviary.canary("sk-{}" + "A" * 30)
        for provider, key in ((KEY_PROVIDER_CLAUDE, claude), (KEY_PROVIDER_OPENAI, openai)):
            stored = pb.SetProviderKeyRequest(provider=provider, api_key=key, request_id=f"set {provider}")
            assert await users("SetProviderKey", stored, token) is not None
        messages = TOKENS.issue_service("messages", session.user.id, False)[0]
        resolve = pb.ResolveProviderKeyRequest(provider=KEY_PROVIDER_CLAUDE)
        resolved = pb.ResolveProviderKeyResponse.FromString(await users("ResolveProviderKey", resolve, messages) or b"")
        assert resolved.api_key == claude
        report = pb.ReportProviderKeyRequest(provider=KEY_PROVIDER_CLAUDE, key_hash=resolved.key_hash)
        assert await users("ReportProviderKey", report, messages) is not None
        remove = pb.DeleteProviderKeyRequest(provider=KEY_PROVIDER_OPENAI, request_id="5")
        assert await users("DeleteProviderKey", remove, token) is not None

        make = pb.CreateAccessKeyRequest(name="a program", permissions=["*"], request_id="6")
        made = pb.CreateAccessKeyResponse.FromString(await users("CreateAccessKey", make, token) or b"")
        aviary.keep(made.secret)
        assert await users("GetUser", pb.GetUserRequest(id="me"), made.secret) is not None

        # A stolen token: its second use ends the session.
        refresh.request_id = "7"
        assert await users("RefreshSession", refresh) is None
        assert await users("GetUser", pb.GetUserRequest(id="me"), token) is None

        admin = (("authorization", f"Bearer {TOKENS.issue_user('operator', True)[0]}"),)
        operations = OperationsServiceStub(channel)
        export = operations.ExportUserData(ExportUserDataRequest(user_id=session.user.id), metadata=admin)
        exported = b"".join([piece.data async for piece in export])
        assert b"ada@example.org" in exported

        async def audited() -> Message:
            return await operations.ListAuditEvents(ListAuditEventsRequest(page_size=100), metadata=admin)

        def is_whole(log: Any) -> bool:
            actions = {event.action for event in log.audit_events}
            return {
                "user.login",
                "password.update",
                "provider_key.use",
                "access_key.create",
                "session.reuse",
            } <= actions

        audit = await eventually(audited, is_whole)
        aviary.heard += [exported, audit.SerializeToString()]

    assert aviary.found() == set()


async def test_a_canary_would_be_found(aviary: Aviary) -> None:
    async with aio.insecure_channel(aviary.address) as channel:
        username = f"{aviary.canary()}@example.org"
        request = pb.CreateUserRequest(username=username, display_name="Ada", password="correct horse")
        assert await aviary.call(channel, "/llmchat.users.v1.UsersService/CreateUser", request) is not None

    assert aviary.found() == set(aviary.canaries)
