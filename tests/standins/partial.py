"""The RPCs that a stand-in for a service does not know."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator
from typing import TypeVar

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message

from libs.common.context import Call
from libs.common.errors import Precondition

S = TypeVar("S")


def filled(service: ServiceDescriptor, servicer: S) -> S:
    """`servicer`, with every method of `service` that it lacks refused."""
    for method in service.methods:
        if not inspect.isroutine(getattr(servicer, method.name, None)):
            setattr(servicer, method.name, _refuse_stream if method.server_streaming else _refuse)
    return servicer


async def _refuse(request: Message, call: Call) -> Message:
    raise Precondition("the stand-in does not do this")


async def _refuse_stream(request: Message, call: Call) -> AsyncGenerator[Message, None]:
    raise Precondition("the stand-in does not do this")
    yield
