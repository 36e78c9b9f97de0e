"""What a proto service declares of its methods, read once at start-up from its descriptor."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from llmchat.options.v1 import policy_pb2


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC. A `policy` that allows nobody stands for a method that declares none."""

    path: str
    service: str
    name: str
    request: type[Message]
    response: type[Message]
    client_streaming: bool
    server_streaming: bool
    policy: policy_pb2.Policy

    @property
    def resource(self) -> str:
        """What is acted on (`thread`): a word for audit entries and denials."""
        return self.policy.resource

    @property
    def action(self) -> str:
        """How it is acted on (`read`)."""
        return self.policy.action

    @property
    def declares_policy(self) -> bool:
        """Whether anyone at all may call it."""
        return any(who != policy_pb2.WHO_UNSPECIFIED for who in self.policy.allow)


def read_methods(service: ServiceDescriptor) -> tuple[Method, ...]:
    """The methods of `service` in the order of its proto."""
    return tuple(_read(method) for method in service.methods)


def _read(method: MethodDescriptor) -> Method:
    service = method.containing_service.full_name
    return Method(
        path=f"/{service}/{method.name}",
        service=service,
        name=method.name,
        request=GetMessageClass(method.input_type),
        response=GetMessageClass(method.output_type),
        client_streaming=method.client_streaming,
        server_streaming=method.server_streaming,
        policy=_policy(method),
    )


def _policy(method: MethodDescriptor) -> policy_pb2.Policy:
    # protoc's stubs give extensions the type of a bare FieldDescriptor.
    return method.GetOptions().Extensions[policy_pb2.policy]  # type: ignore[index]
