"""What access keys may be permitted: the resources and actions that the policies of all RPCs name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from google.protobuf.descriptor import ServiceDescriptor
from llmchat.access.v1 import access_service_pb2
from llmchat.catalog.v1 import catalog_service_pb2
from llmchat.events.v1 import events_service_pb2
from llmchat.integrity.v1 import integrity_service_pb2
from llmchat.messages.v1 import messages_service_pb2
from llmchat.migrations.v1 import migrations_service_pb2
from llmchat.operations.v1 import operations_service_pb2
from llmchat.personal_data.v1 import personal_data_service_pb2
from llmchat.threads.v1 import threads_service_pb2
from llmchat.users.v1 import users_service_pb2

from libs.common.rpc.method import read_methods

EVERYTHING = "*"

_FILES = (
    access_service_pb2,
    catalog_service_pb2,
    events_service_pb2,
    integrity_service_pb2,
    messages_service_pb2,
    migrations_service_pb2,
    operations_service_pb2,
    personal_data_service_pb2,
    threads_service_pb2,
    users_service_pb2,
)


def known_permissions() -> frozenset[str]:
    """`*`, and for each RPC its `resource.action` and `resource.*`."""
    methods = [method for service in _services() for method in read_methods(service)]
    exact = {f"{method.resource}.{method.action}" for method in methods}
    return frozenset({EVERYTHING, *exact, *(f"{method.resource}.*" for method in methods)})


def beyond(wanted: Iterable[str], held: frozenset[str] | None) -> list[str]:
    """Those of the wanted permissions that are not within the held ones; None holds everything."""
    if held is None:
        return []
    return [one for one in wanted if held.isdisjoint((EVERYTHING, f"{one.partition('.')[0]}.*", one))]


def _services() -> Iterator[ServiceDescriptor]:
    for file in _FILES:
        yield from file.DESCRIPTOR.services_by_name.values()
