"""What the messages service owns."""

from __future__ import annotations

from llmchat.messages.stored.v1.stream_pb2 import Chunk, Conversation, ExternalAnswer, Summary
from llmchat.messages.v1.message_pb2 import Message

from libs.common.store.port import CollectionSpec, Index

MESSAGES = CollectionSpec(
    "messages", Message, "msg", (Index(("thread_id",), "position"), Index(("thread_id", "model_id"), "position"))
)
# The tokens reach the journal with the message that they end up in.
CHUNKS = CollectionSpec("message_chunks", Chunk, journaled=False)
# A person's, in an order that no message moves.
CONVERSATIONS = CollectionSpec("conversations", Conversation, indexes=(Index(("user_id",), "id"),))
# Who writes which answer outside; what is written is in the message and its chunks.
EXTERNAL_ANSWERS = CollectionSpec(
    "external_answers", ExternalAnswer, indexes=(Index(("model_id", "claimant"), "created_at"),), journaled=False
)
# Under `{thread}.{model}`.
SUMMARIES = CollectionSpec("summaries", Summary, indexes=(Index(("user_id",), "id"),))

COLLECTIONS = (MESSAGES, CHUNKS, CONVERSATIONS, EXTERNAL_ANSWERS, SUMMARIES)
