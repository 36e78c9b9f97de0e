"""What the messages service's documents refer to."""

from __future__ import annotations

from collections.abc import Iterable

from llmchat.messages.stored.v1.stream_pb2 import Chunk, Conversation
from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_GENERATING
from llmchat.store.v1.lease_pb2 import Lease

from libs.common.documents.system import LEASES
from libs.common.integrity.references import KindSpec, References, ReferenceSpec
from services.messages.collections import CHUNKS, CONVERSATIONS, EXTERNAL_ANSWERS, MESSAGES, SUMMARIES
from services.messages.leases import GENERATOR
from services.messages.rules import has_ended


def _is_alive(conversation: Conversation) -> bool:
    return not conversation.deleted


def _whose_turn(conversation: Conversation) -> Iterable[str]:
    for turns in conversation.turns.values():
        yield turns.running
        yield from turns.waiting


def _on_branches(conversation: Conversation) -> Iterable[str]:
    yield from conversation.heads.values()
    for known in conversation.branches.values():
        for branch in known.branches:
            yield from (branch.parent_id, branch.first_id, branch.last_id, branch.sibling_id)


def _is_under_way(lease: Lease) -> bool:
    # What nobody holds and still has an end only reminds of a fence, when the message may be gone.
    return bool(lease.holder) or not lease.HasField("expires_at")


def _message_of(chunk: Chunk) -> str:
    return chunk.id.partition(".")[0]


def _if(condition: bool, id: str) -> Iterable[str]:
    return (id,) if condition else ()


REFERENCES = References(
    kinds=(
        KindSpec("conversation", CONVERSATIONS, _is_alive),
        KindSpec("message", MESSAGES),
        KindSpec("unfinished answer", MESSAGES, lambda message: not has_ended(message)),
        KindSpec("generation", LEASES, _is_under_way),
        KindSpec("fence's lease", LEASES),
        KindSpec("external answer", EXTERNAL_ANSWERS),
    ),
    references=(
        ReferenceSpec(CONVERSATIONS, "thread", lambda conversation: _if(_is_alive(conversation), conversation.id)),
        ReferenceSpec(CONVERSATIONS, "user", lambda conversation: _if(_is_alive(conversation), conversation.user_id)),
        ReferenceSpec(CONVERSATIONS, "unfinished answer", _whose_turn),
        ReferenceSpec(CONVERSATIONS, "message", _on_branches),
        ReferenceSpec(MESSAGES, "conversation", lambda message: (message.thread_id,)),
        ReferenceSpec(MESSAGES, "user", lambda message: (message.user_id,)),
        ReferenceSpec(MESSAGES, "message", lambda message: (message.question_id, message.parent_id)),
        ReferenceSpec(MESSAGES, "model", lambda message: (message.model_id,)),
        # Without it nobody would write on, or end, the answer.
        ReferenceSpec(
            MESSAGES, "generation", lambda message: _if(message.status == MESSAGE_STATUS_GENERATING, message.id)
        ),
        ReferenceSpec(SUMMARIES, "conversation", lambda summary: (summary.thread_id,)),
        ReferenceSpec(SUMMARIES, "user", lambda summary: (summary.user_id,)),
        ReferenceSpec(SUMMARIES, "model", lambda summary: (summary.model_id,)),
        ReferenceSpec(CHUNKS, "generation", lambda chunk: _if(not chunk.is_fence, _message_of(chunk))),
        ReferenceSpec(CHUNKS, "fence's lease", lambda chunk: _if(chunk.is_fence, _message_of(chunk))),
        ReferenceSpec(LEASES, "message", lambda lease: _if(_is_under_way(lease), lease.id)),
        # Without the one nobody could claim the answer, without the other nobody would end it.
        ReferenceSpec(LEASES, "external answer", lambda lease: _if(lease.holder == GENERATOR, lease.id)),
        ReferenceSpec(EXTERNAL_ANSWERS, "generation", lambda external: (external.id,)),
        ReferenceSpec(EXTERNAL_ANSWERS, "user", lambda external: (external.user_id,)),
        ReferenceSpec(EXTERNAL_ANSWERS, "model", lambda external: (external.model_id,)),
    ),
)
