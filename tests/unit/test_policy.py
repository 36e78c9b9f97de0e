"""Who may call what: every kind of caller against every kind of policy."""

from dataclasses import replace

import pytest
from llmchat.options.v1.policy_pb2 import (
    WHO_ADMIN,
    WHO_ANYONE,
    WHO_OWNER,
    WHO_SERVICE,
    WHO_UNSPECIFIED,
    WHO_USER,
    Policy,
)
from llmchat.threads.v1 import threads_service_pb2 as threads_pb2

from libs.common import errors
from libs.common.context import NOBODY, Caller
from libs.common.rpc.interceptors.policy import authorize
from libs.common.rpc.method import Method, read_methods

CALLERS = {
    "nobody": NOBODY,
    "user": Caller(user_id="user_ada"),
    "admin": Caller(user_id="user_root", is_admin=True),
    "operations": Caller(service="operations"),
    "operations for a user": Caller(service="operations", user_id="user_ada"),
    "messages": Caller(service="messages"),
    "messages for an admin": Caller(service="messages", user_id="user_root", is_admin=True),
}
OPERATIONS = ["operations"]


def method_with(policy: Policy) -> Method:
    method, *_ = read_methods(threads_pb2.DESCRIPTOR.services_by_name["ThreadsService"])
    return replace(method, policy=policy)


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [
        (Policy(allow=[WHO_ANYONE]), set(CALLERS)),
        (Policy(allow=[WHO_USER]), {"user", "admin"}),
        (Policy(allow=[WHO_OWNER]), {"user", "admin"}),
        (Policy(allow=[WHO_ADMIN]), {"admin"}),
        (Policy(allow=[WHO_SERVICE], services=OPERATIONS), {"operations", "operations for a user"}),
        (Policy(allow=[WHO_ADMIN, WHO_SERVICE], services=OPERATIONS), {"admin", "operations", "operations for a user"}),
        (Policy(allow=[WHO_SERVICE]), set()),
        (Policy(allow=[WHO_USER], services=["messages"]), {"user", "admin"}),
        (Policy(allow=[WHO_UNSPECIFIED]), set()),
        (Policy(), set()),
    ],
    ids=lambda value: str(value).replace("\n", " ") if isinstance(value, Policy) else "",
)
@pytest.mark.parametrize("name", CALLERS)
def test_a_policy_allows_exactly_whom_it_names(policy: Policy, allowed: set[str], name: str) -> None:
    check = authorize(method_with(policy))

    if name in allowed:
        check(CALLERS[name])
    else:
        with pytest.raises(errors.Unauthenticated if name == "nobody" else errors.Denied):
            check(CALLERS[name])


def test_a_denial_says_what_was_refused() -> None:
    policy = Policy(allow=[WHO_ADMIN], resource="model", action="update")

    with pytest.raises(errors.Denied, match="not allowed to update model"):
        authorize(method_with(policy))(CALLERS["user"])


def test_a_method_is_read_from_its_proto() -> None:
    methods = {m.name: m for m in read_methods(threads_pb2.DESCRIPTOR.services_by_name["ThreadsService"])}

    get = methods["GetThread"]
    assert get.path == "/llmchat.threads.v1.ThreadsService/GetThread"
    assert get.request is threads_pb2.GetThreadRequest
    assert not get.server_streaming
    assert (get.resource, get.action) == ("thread", "read")
    assert list(get.policy.services) == ["messages", "operations"]
    assert list(methods["SetGeneratedTitle"].policy.services) == ["operations"]


@pytest.mark.parametrize(
    ("permissions", "allowed"),
    [
        (["thread.read"], True),
        (["thread.*"], True),
        (["*"], True),
        (["message.read", "thread.read"], True),
        (["thread.delete"], False),
        (["message.*"], False),
        ([], False),
    ],
)
def test_an_access_key_may_do_what_it_is_permitted_and_its_owner_may(permissions: list[str], allowed: bool) -> None:
    check = authorize(method_with(Policy(allow=[WHO_OWNER], resource="thread", action="read")))
    program = Caller(user_id="user_ada", access_key_id="key_1", permissions=frozenset(permissions))

    if allowed:
        check(program)
    else:
        with pytest.raises(errors.Denied) as caught:
            check(program)
        assert caught.value.reason == "KEY_NOT_PERMITTED"


def test_an_access_key_makes_no_administrator_of_its_owner_and_may_do_what_anyone_may() -> None:
    program = Caller(user_id="user_ada", access_key_id="key_1", permissions=frozenset(("*",)))

    with pytest.raises(errors.Denied):
        authorize(method_with(Policy(allow=[WHO_ADMIN])))(program)
    authorize(method_with(Policy(allow=[WHO_ANYONE])))(replace(program, permissions=frozenset()))
