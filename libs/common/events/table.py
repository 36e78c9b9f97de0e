"""The table of events: what each carries and who must have handled it before it is settled."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from google.protobuf.message import Message
from llmchat.events.v1.events_pb2 import GenerationFinished, ThreadDeleted, TitleWanted


@dataclass(frozen=True, slots=True)
class EventType:
    """An event by name, the message it carries, and the services that consume it."""

    payload: type[Message]
    consumers: tuple[str, ...]


EVENTS = MappingProxyType(
    {
        "thread.deleted": EventType(ThreadDeleted, ("messages", "operations")),
        "generation.finished": EventType(GenerationFinished, ("threads",)),
        "thread.title_wanted": EventType(TitleWanted, ("operations",)),
    }
)
