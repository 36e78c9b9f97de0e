"""Every kind of orphan that there can be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from google.protobuf.message import Message as AnyMessage
from llmchat.catalog.v1.model_config_pb2 import ModelConfig
from llmchat.messages.stored.v1.stream_pb2 import Branch, Branches, Chunk, Conversation, ExternalAnswer, Summary, Turns
from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_GENERATING, ROLE_ASSISTANT, Message
from llmchat.operations.stored.v1.unended_operation_pb2 import UnendedOperation
from llmchat.operations.v1.operation_pb2 import OPERATION_STATUS_COMPLETED, Operation
from llmchat.store.v1.lease_pb2 import Lease
from llmchat.threads.stored.v1.share_pb2 import Share
from llmchat.threads.stored.v1.temporary_thread_pb2 import TemporaryThread
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.users.stored.v1.session_pb2 import AccessKeyRecord, IdentityRecord, SessionRecord
from llmchat.users.stored.v1.user_pb2 import UsageRecord, UsernameRecord, UserRecord

from libs.common.clock import timestamp, wall_clock
from libs.common.documents.system import LEASES
from libs.common.store.port import CollectionSpec
from services.catalog.collections import MODELS
from services.messages.collections import CHUNKS, CONVERSATIONS, EXTERNAL_ANSWERS, MESSAGES, SUMMARIES
from services.messages.leases import GENERATOR
from services.operations.collections import OPERATIONS, UNENDED_OPERATIONS
from services.threads.collections import SHARES, TEMPORARY_THREADS, THREADS
from services.users.collections import ACCESS_KEYS, IDENTITIES, SESSIONS, USAGES, USERNAMES, USERS


@dataclass(frozen=True)
class Life:
    """What there is in a house where somebody lives, for planted documents to refer to."""

    replica: str
    user_id: str
    thread_id: str
    empty_thread_id: str
    answer_id: str


@dataclass(frozen=True)
class Plant:
    """An orphan: the document, where it is put, and what it is to be found for."""

    service: str
    spec: CollectionSpec[Any]
    document: Callable[[Life], AnyMessage]
    kind: str
    missing_id: Callable[[Life], str] = lambda life: "gone"


def message(life: Life, **fields: Any) -> Message:
    there = {"thread_id": life.thread_id, "user_id": life.user_id, "model_id": "echo"}
    return Message(id="planted", **{**there, **fields})


def operation(life: Life, **fields: Any) -> Operation:
    return Operation(id="planted", **{"user_id": life.user_id, "status": OPERATION_STATUS_COMPLETED, **fields})


def turns(life: Life, **fields: Any) -> Conversation:
    return Conversation(id=life.empty_thread_id, user_id=life.user_id, turns={"echo": Turns(**fields)})


def summary(life: Life, **fields: Any) -> Summary:
    there = {"thread_id": life.thread_id, "user_id": life.user_id, "model_id": "echo"}
    return Summary(id="planted", **{**there, **fields})


def lease(life: Life) -> Lease:
    """Held by the running process, which therefore does not look after it."""
    return Lease(id="planted", holder=life.replica, expires_at=timestamp(wall_clock() + 3_600_000))


PLANTS = {
    "an account without its username": Plant(
        "users",
        USERS,
        lambda life: UserRecord(id="planted", username="gone"),
        "username",
        lambda life: sha256(b"gone").hexdigest(),
    ),
    "a username without its account": Plant(
        "users", USERNAMES, lambda life: UsernameRecord(id="planted", user_id="gone"), "user"
    ),
    "what a person without an account has used": Plant(
        "users", USAGES, lambda life: UsageRecord(id="planted"), "user", lambda life: "planted"
    ),
    "what an issuer calls a person without an account": Plant(
        "users", IDENTITIES, lambda life: IdentityRecord(id="planted", user_id="gone"), "user"
    ),
    "a session without its person": Plant(
        "users", SESSIONS, lambda life: SessionRecord(id="planted", user_id="gone"), "user"
    ),
    "an access key without its owner": Plant(
        "users", ACCESS_KEYS, lambda life: AccessKeyRecord(id="planted", user_id="gone"), "user"
    ),
    "a thread without its person": Plant("threads", THREADS, lambda life: Thread(id="planted", user_id="gone"), "user"),
    "a share without its thread": Plant(
        "threads", SHARES, lambda life: Share(id="planted", thread_id="gone"), "thread"
    ),
    "a temporary thread's end without the thread": Plant(
        "threads", TEMPORARY_THREADS, lambda life: TemporaryThread(id="gone"), "thread"
    ),
    "a thread with an unknown model": Plant(
        "threads",
        THREADS,
        lambda life: Thread(id="planted", user_id=life.user_id, active_models=["gone"]),
        "model",
    ),
    "a conversation without its thread": Plant(
        "messages", CONVERSATIONS, lambda life: Conversation(id="gone", user_id=life.user_id), "thread"
    ),
    "a conversation without its person": Plant(
        "messages", CONVERSATIONS, lambda life: Conversation(id=life.empty_thread_id, user_id="gone"), "user"
    ),
    "a turn of no message": Plant(
        "messages", CONVERSATIONS, lambda life: turns(life, running="gone"), "unfinished answer"
    ),
    "a turn of an answer that has ended": Plant(
        "messages",
        CONVERSATIONS,
        lambda life: turns(life, running=life.answer_id),
        "unfinished answer",
        lambda life: life.answer_id,
    ),
    "a turn that an answer waits for which has ended": Plant(
        "messages",
        CONVERSATIONS,
        lambda life: turns(life, waiting=[life.answer_id]),
        "unfinished answer",
        lambda life: life.answer_id,
    ),
    "a conversation that goes on behind no message": Plant(
        "messages",
        CONVERSATIONS,
        lambda life: Conversation(id=life.empty_thread_id, user_id=life.user_id, heads={"echo": "gone"}),
        "message",
    ),
    "a branch behind no message": Plant(
        "messages",
        CONVERSATIONS,
        lambda life: Conversation(
            id=life.empty_thread_id,
            user_id=life.user_id,
            branches={"echo": Branches(branches=[Branch(number=1, parent_id="gone")])},
        ),
        "message",
    ),
    "a message without its conversation": Plant(
        "messages",
        MESSAGES,
        lambda life: message(life, thread_id=life.empty_thread_id),
        "conversation",
        lambda life: life.empty_thread_id,
    ),
    "a message without its person": Plant("messages", MESSAGES, lambda life: message(life, user_id="gone"), "user"),
    "a message that follows none": Plant("messages", MESSAGES, lambda life: message(life, parent_id="gone"), "message"),
    "an answer without its question": Plant(
        "messages",
        MESSAGES,
        lambda life: message(life, role=ROLE_ASSISTANT, question_id="gone"),
        "message",
    ),
    "an answer of an unknown model": Plant("messages", MESSAGES, lambda life: message(life, model_id="gone"), "model"),
    "an answer that is generated by nobody": Plant(
        "messages",
        MESSAGES,
        lambda life: message(life, status=MESSAGE_STATUS_GENERATING),
        "generation",
        lambda life: "planted",
    ),
    "tokens of no running generation": Plant(
        "messages",
        CHUNKS,
        lambda life: Chunk(id=f"{life.answer_id}.generation.000001"),
        "generation",
        lambda life: life.answer_id,
    ),
    "a fence that nothing reminds of": Plant(
        "messages",
        CHUNKS,
        lambda life: Chunk(id=f"{life.answer_id}.generation.000001", is_fence=True),
        "fence's lease",
        lambda life: life.answer_id,
    ),
    "a summary without its conversation": Plant(
        "messages", SUMMARIES, lambda life: summary(life, thread_id="gone"), "conversation"
    ),
    "a summary without its person": Plant("messages", SUMMARIES, lambda life: summary(life, user_id="gone"), "user"),
    "a summary of an unknown model": Plant("messages", SUMMARIES, lambda life: summary(life, model_id="gone"), "model"),
    "a lease without its answer": Plant("messages", LEASES, lease, "message", lambda life: "planted"),
    "an answer for generators outside that nobody would end": Plant(
        "messages", EXTERNAL_ANSWERS, lambda life: ExternalAnswer(id="planted"), "generation", lambda life: "planted"
    ),
    "a generator's lease on an answer that no generator could claim": Plant(
        "messages",
        LEASES,
        lambda life: Lease(id=life.answer_id, holder=GENERATOR, expires_at=timestamp(wall_clock() + 3_600_000)),
        "external answer",
        lambda life: life.answer_id,
    ),
    "a model replaced by none there is": Plant(
        "catalog", MODELS, lambda life: ModelConfig(id="planted", replacement_id="gone"), "model"
    ),
    "an operation without its person": Plant(
        "operations", OPERATIONS, lambda life: operation(life, user_id="gone"), "user"
    ),
    "an operation without its thread": Plant(
        "operations", OPERATIONS, lambda life: operation(life, thread_id="gone"), "thread"
    ),
    "an operation without its message": Plant(
        "operations", OPERATIONS, lambda life: operation(life, message_id="gone"), "message"
    ),
    "an operation with an unknown model": Plant(
        "operations", OPERATIONS, lambda life: operation(life, model_id="gone"), "model"
    ),
    "a mark of an operation that has ended": Plant(
        "operations",
        UNENDED_OPERATIONS,
        lambda life: UnendedOperation(id="planted", operation_id="gone", user_id=life.user_id),
        "unended operation",
    ),
    "a mark of an operation without its person": Plant(
        "operations",
        UNENDED_OPERATIONS,
        lambda life: UnendedOperation(id="planted", user_id="gone"),
        "user",
    ),
    "a lease without its operation": Plant("operations", LEASES, lease, "operation", lambda life: "planted"),
}
