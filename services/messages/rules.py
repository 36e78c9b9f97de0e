"""What is true of a message at all times, and who may see it."""

from __future__ import annotations

from llmchat.messages.stored.v1.stream_pb2 import Conversation
from llmchat.messages.v1.message_pb2 import (
    MESSAGE_STATUS_CANCELLED,
    MESSAGE_STATUS_COMPLETE,
    MESSAGE_STATUS_FAILED,
    Message,
)

from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.documents.ownership import read_owned
from libs.common.documents.unit import Unit
from libs.common.errors import Exhausted, Invalid, NotFound
from services.messages.branches import is_removed
from services.messages.collections import CONVERSATIONS, MESSAGES

_ENDED = frozenset((MESSAGE_STATUS_COMPLETE, MESSAGE_STATUS_FAILED, MESSAGE_STATUS_CANCELLED))


def has_ended(message: Message) -> bool:
    """Whether the message will not change any more: its tokens are all in it."""
    return message.status in _ENDED


def text_of(message: Message) -> str:
    """What the message says, whoever says it."""
    return message.content or message.tokens.text


def text_tokens(text: str) -> int:
    """An estimate that needs no tokenizer: four characters a token, rounded up."""
    return -(-len(text) // 4)


def require_short(content: str, most: int) -> None:
    """Refuses a question of more than `most` estimated tokens; 0: it may be as long as it likes.

    Raises:
        Invalid: it is (reason MESSAGE_TOO_LONG).
    """
    if most and text_tokens(content) > most:
        text = f"has about {text_tokens(content)} tokens, and a message may have {most}"
        raise Invalid.field("content", text, reason="MESSAGE_TOO_LONG")


def require_room(conversation: Conversation, messages: int, most: int) -> None:
    """Refuses so many more `messages` beyond `most` of a thread, deleted ones among them; 0: there may be any number.

    Raises:
        Exhausted: the thread is full (reason TOO_MANY_MESSAGES).
    """
    if most and conversation.last_position + messages > most:
        raise Exhausted(f"a thread may have {most} messages: begin another one", reason="TOO_MANY_MESSAGES")


def thread_not_found(thread_id: str) -> NotFound:
    """The same for a thread that never was, one that is deleted, and one that is another user's."""
    return NotFound("thread", thread_id)


async def known_conversation(documents: Documents, call: Call, thread_id: str) -> Conversation | None:
    """The caller's conversation in a thread; None where nothing has been said there yet.

    Raises:
        NotFound: the thread is deleted, or another user's.
    """
    conversation = await documents.find(CONVERSATIONS, thread_id)
    if conversation is not None:
        require_own(conversation, call)
    return conversation


def require_own(conversation: Conversation, call: Call) -> None:
    """Refuses what is deleted or another user's.

    Raises:
        NotFound: it is one of the two.
    """
    if conversation.deleted or conversation.user_id != call.caller.user_id:
        raise thread_not_found(conversation.id)


async def read_visible(documents: Documents | Unit, call: Call, message_id: str) -> tuple[Message, Conversation]:
    """A message of the caller's, and the conversation that it stands in.

    Raises:
        NotFound: there is none, or it was deleted, alone or with its thread.
    """
    message = await read_owned(documents, MESSAGES, call.caller, message_id)
    conversation = await documents.find(CONVERSATIONS, message.thread_id)
    if conversation is None or conversation.deleted or is_removed(conversation, message):
        raise NotFound(MESSAGES.kind, message_id)
    return message, conversation
