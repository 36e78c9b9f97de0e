"""What holds for every RPC and message of the protos, however many there will be."""

from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor, MethodDescriptor
from llmchat.options.v1 import policy_pb2, secret_pb2

from libs.common.access.permissions import known_permissions
from libs.common.settings import SERVICES

PROTOS = Path(__file__).parents[2] / "protos"
READING = {"read", "list", "login"}
SECRET_WORDS = ("password", "secret", "access_token", "refresh_token", "api_key", "private_key")


def files() -> list[FileDescriptor]:
    paths = sorted(path.relative_to(PROTOS).with_suffix("") for path in PROTOS.glob("llmchat/**/*.proto"))
    return [import_module(".".join(path.parts) + "_pb2").DESCRIPTOR for path in paths]


def rpcs() -> list[MethodDescriptor]:
    return [rpc for file in files() for service in file.services_by_name.values() for rpc in service.methods]


def policy_of(rpc: MethodDescriptor) -> policy_pb2.Policy:
    return rpc.GetOptions().Extensions[policy_pb2.policy]  # type: ignore[index]


def http_of(rpc: MethodDescriptor) -> http_pb2.HttpRule:
    return rpc.GetOptions().Extensions[annotations_pb2.http]


def is_for_services_only(rpc: MethodDescriptor) -> bool:
    return list(policy_of(rpc).allow) == [policy_pb2.WHO_SERVICE]


def fields_within(message: Descriptor, seen: set[str] | None = None) -> Iterator[FieldDescriptor]:
    seen = seen if seen is not None else set()
    if message.full_name in seen:
        return
    seen.add(message.full_name)
    for field in message.fields:
        yield field
        if field.message_type is not None:
            yield from fields_within(field.message_type, seen)


every_rpc = pytest.mark.parametrize("rpc", rpcs(), ids=lambda rpc: rpc.full_name.removeprefix("llmchat."))


def test_the_protos_declare_the_five_services_and_what_each_process_serves_beside_them() -> None:
    services = {rpc.containing_service.name for rpc in rpcs()}
    contexts = {"UsersService", "ThreadsService", "MessagesService", "CatalogService", "OperationsService"}

    assert services == contexts | {
        "AccessService",
        "EventsService",
        "IntegrityService",
        "MigrationsService",
        "PersonalDataService",
    }


@every_rpc
def test_an_rpc_says_who_may_call_it_and_what_it_does(rpc: MethodDescriptor) -> None:
    policy = policy_of(rpc)

    assert policy.allow, "nobody is allowed"
    assert policy_pb2.WHO_UNSPECIFIED not in policy.allow
    assert policy.resource
    assert policy.action
    assert bool(policy.services) == (policy_pb2.WHO_SERVICE in policy.allow), "services are named where they may call"


@every_rpc
def test_an_access_key_can_be_permitted_an_rpc(rpc: MethodDescriptor) -> None:
    policy = policy_of(rpc)

    assert {f"{policy.resource}.{policy.action}", f"{policy.resource}.*", "*"} <= known_permissions()


@every_rpc
def test_an_rpc_for_people_is_mapped_to_http_and_one_for_services_alone_is_not(rpc: MethodDescriptor) -> None:
    is_mapped = http_of(rpc).WhichOneof("pattern") is not None

    assert is_mapped != is_for_services_only(rpc)


@every_rpc
def test_reading_is_http_get_and_changing_is_not(rpc: MethodDescriptor) -> None:
    if is_for_services_only(rpc):
        return
    reads = policy_of(rpc).action in READING - {"login"}

    assert (http_of(rpc).WhichOneof("pattern") == "get") == reads


def test_no_two_rpcs_share_a_verb_and_a_path() -> None:
    rules = [http_of(rpc) for rpc in rpcs() if not is_for_services_only(rpc)]
    verbs = [(rule.WhichOneof("pattern"), getattr(rule, rule.WhichOneof("pattern") or "get")) for rule in rules]

    assert [verb for verb, times in Counter(verbs).items() if times > 1] == []


@every_rpc
def test_a_change_can_be_repeated_safely_by_its_request_id(rpc: MethodDescriptor) -> None:
    # A call from one service to another is made safe to repeat by the event or operation that it serves, and what takes
    # a stream by what it has stored before.
    if policy_of(rpc).action in READING or is_for_services_only(rpc) or rpc.client_streaming:
        return

    assert "request_id" in rpc.input_type.fields_by_name


@every_rpc
def test_a_list_comes_page_by_page(rpc: MethodDescriptor) -> None:
    if not rpc.name.startswith("List"):
        return

    assert {"page_size", "page_token", "count_total"} <= set(rpc.input_type.fields_by_name)
    assert {"next_page_token", "total_size"} <= set(rpc.output_type.fields_by_name)


@every_rpc
def test_no_rpc_carries_what_is_only_stored(rpc: MethodDescriptor) -> None:
    fields = [*fields_within(rpc.input_type), *fields_within(rpc.output_type)]

    assert [field.full_name for field in fields if ".stored." in field.full_name] == []


def test_every_field_that_holds_a_secret_is_marked() -> None:
    texts = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)
    unmarked = [
        field.full_name
        for file in files()
        for message in file.message_types_by_name.values()
        for field in fields_within(message)
        if field.type in texts and any(word in field.name for word in SECRET_WORDS)
        if not field.GetOptions().Extensions[secret_pb2.secret]  # type: ignore[index]
    ]

    assert unmarked == []


@every_rpc
def test_no_rpc_that_takes_a_stream_is_for_services_of_this_system(rpc: MethodDescriptor) -> None:
    assert not (rpc.client_streaming and set(SERVICES) & set(policy_of(rpc).services))
