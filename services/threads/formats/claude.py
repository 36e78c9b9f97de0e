"""Claude's `conversations.json`: a list of conversations, each a list of messages one behind the other.

Described nowhere by its maker; read as exports of the years 2024 to 2026 have it. Of a message the text blocks of
`content` are taken over, and `text` where it has none; what tools were asked and what they answered is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from llmchat.messages.v1.message_pb2 import ROLE_ASSISTANT, ROLE_UNSPECIFIED, ROLE_USER

from services.threads.formats.conversation import Conversation, Node, Said, arranged
from services.threads.formats.fields import (
    clean,
    garbage,
    id_of,
    iso_of,
    list_of,
    object_of,
    one_line,
    string_of,
    to_iso,
)
from services.threads.formats.json_text import json_text

_ROLES = MappingProxyType({"human": ROLE_USER, "assistant": ROLE_ASSISTANT})
_WORDS = MappingProxyType({ROLE_USER: "human", ROLE_ASSISTANT: "assistant"})


def read(value: object, where: str) -> Conversation:
    """A conversation of the list.

    Raises:
        Invalid: it is none.
    """
    raw = object_of(value, where)
    if "chat_messages" not in raw:
        raise garbage(where, "has no `chat_messages`: is the file of another format?")
    source_id = id_of(raw.get("uuid"), f"{where}.uuid")
    if not source_id:
        raise garbage(where, "has no `uuid`")
    nodes: list[Node] = []
    seen: set[str] = set()
    for place, one in enumerate(list_of(raw["chat_messages"], f"{where}.chat_messages")):
        node = _node(one, nodes[-1].id if nodes else "", f"{where}.chat_messages[{place}]")
        if node.id in seen:
            raise garbage(f"{where}.chat_messages[{place}].uuid", "is another message's, too")
        seen.add(node.id)
        nodes.append(node)
    return arranged(
        where,
        nodes,
        source_id=source_id,
        title=one_line(string_of(raw.get("name"), f"{where}.name")),
        created_at=iso_of(raw.get("created_at"), f"{where}.created_at"),
        updated_at=iso_of(raw.get("updated_at"), f"{where}.updated_at"),
        active_id=nodes[-1].id if nodes else "",
    )


def write(conversation: Conversation) -> Iterator[str]:
    """The conversation's active path as one of the list, message by message."""
    head = {
        "uuid": conversation.source_id,
        "name": conversation.title,
        "created_at": to_iso(conversation.created_at),
        "updated_at": to_iso(conversation.updated_at),
    }
    yield f'{json_text(head)[:-1]},"chat_messages":['
    separator = ""
    for said in conversation.path:
        yield separator + json_text(_message(said))
        separator = ","
    yield "]}"


def _node(value: object, parent_id: str, where: str) -> Node:
    raw = object_of(value, where)
    id = id_of(raw.get("uuid"), f"{where}.uuid")
    if not id:
        raise garbage(where, "has no `uuid`")
    role = _ROLES.get(string_of(raw.get("sender"), f"{where}.sender"), ROLE_UNSPECIFIED)
    text = _text(raw, where) if role else ""
    return Node(id, parent_id, role, text, iso_of(raw.get("created_at"), f"{where}.created_at"))


def _text(raw: Mapping[str, Any], where: str) -> str:
    blocks = list_of(raw.get("content"), f"{where}.content")
    texts = []
    for place, value in enumerate(blocks):
        block = object_of(value, f"{where}.content[{place}]")
        if block.get("type") == "text":
            texts.append(string_of(block.get("text"), f"{where}.content[{place}].text"))
    return clean("\n\n".join(filter(None, texts)) or string_of(raw.get("text"), f"{where}.text"))


def _message(said: Said) -> dict[str, Any]:
    at = to_iso(said.created_at)
    return {
        "uuid": said.id,
        "text": said.text,
        "content": [{"type": "text", "text": said.text}],
        "sender": _WORDS[said.role],
        "created_at": at,
        "updated_at": at,
        "attachments": [],
        "files": [],
    }
