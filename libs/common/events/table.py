"""The table of events: whose each is, what it carries, and who must have handled it before it is settled."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from google.protobuf.message import Message
from llmchat.events.v1.events_pb2 import (
    AuditRecorded,
    CallsCounted,
    GenerationFinished,
    MessagesImported,
    MessagesRemoved,
    ModelDeprecated,
    RemovalWanted,
    SummaryWanted,
    ThreadCreated,
    ThreadDeleted,
    ThreadSummarized,
    TitleWanted,
    UserCreated,
    UserDataRemoved,
    UserDeleted,
    UserDeletionAdvanced,
)

from libs.common.settings import SERVICES


@dataclass(frozen=True, slots=True)
class EventType:
    """The message that an event carries, the services that emit it, and those that consume it."""

    payload: type[Message]
    owners: tuple[str, ...]
    consumers: tuple[str, ...]


EVENTS = MappingProxyType(
    {
        "user.created": EventType(UserCreated, ("users",), ("operations",)),
        "user.deleted": EventType(UserDeleted, ("users",), ("threads", "messages", "operations")),
        "user.data_removed": EventType(UserDataRemoved, ("threads", "messages"), ("operations",)),
        "user.deletion_advanced": EventType(UserDeletionAdvanced, ("users",), ("operations",)),
        "thread.created": EventType(ThreadCreated, ("threads",), ("operations", "users")),
        "thread.deleted": EventType(ThreadDeleted, ("threads",), ("messages", "operations")),
        "thread.title_wanted": EventType(TitleWanted, ("threads",), ("operations",)),
        "thread.summarized": EventType(ThreadSummarized, ("messages",), ("threads",)),
        "summary.wanted": EventType(SummaryWanted, ("messages",), ("operations",)),
        "generation.finished": EventType(GenerationFinished, ("messages",), ("threads",)),
        # The same once more, for those who only count: nothing that is done in order waits for them.
        "generation.counted": EventType(GenerationFinished, ("messages",), ("operations", "users")),
        "message.removal_wanted": EventType(RemovalWanted, ("messages",), ("messages",)),
        "messages.imported": EventType(MessagesImported, ("messages",), ("threads", "operations", "users")),
        "messages.removed": EventType(MessagesRemoved, ("messages",), ("threads", "operations")),
        "calls.counted": EventType(CallsCounted, SERVICES, ("operations",)),
        "audit.recorded": EventType(AuditRecorded, ("users", "threads", "catalog", "operations"), ("operations",)),
        "model.deprecated": EventType(ModelDeprecated, ("catalog",), ("users", "threads", "operations")),
    }
)
