"""ChatGPT's `conversations.json`: a list of conversations, each a tree of messages by their ids.

Described nowhere by its maker; read as exports of the years 2023 to 2026 have it. What is not taken over: what system
and tools say, what an answer says to a tool (`recipient`), what is hidden, and content that is no text. An object of
an image or a file within a message's `parts` is left out of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from llmchat.messages.v1.message_pb2 import ROLE_ASSISTANT, ROLE_UNSPECIFIED, ROLE_USER

from libs.common.rpc.interceptors.text import written
from services.threads.formats.conversation import Conversation, Node, Said, arranged
from services.threads.formats.fields import clean, garbage, id_of, list_of, object_of, one_line, seconds_of, string_of
from services.threads.formats.json_text import json_text

_ROLES = MappingProxyType({"user": ROLE_USER, "assistant": ROLE_ASSISTANT})
_WORDS = MappingProxyType({ROLE_USER: "user", ROLE_ASSISTANT: "assistant"})
_TEXTS = frozenset(("text", "multimodal_text"))
# As its own exports call it.
_ROOT = "client-created-root"


def read(value: object, where: str) -> Conversation:
    """A conversation of the list.

    Raises:
        Invalid: it is none.
    """
    raw = object_of(value, where)
    if "mapping" not in raw:
        raise garbage(where, "has no `mapping`: is the file of another format?")
    source_id = id_of(raw.get("conversation_id") or raw.get("id"), f"{where}.conversation_id")
    if not source_id:
        raise garbage(where, "has no `conversation_id`")
    mapping = object_of(raw["mapping"], f"{where}.mapping")
    active_id = id_of(raw.get("current_node"), f"{where}.current_node")
    if active_id and active_id not in mapping:
        raise garbage(f"{where}.current_node", "names no message")
    return arranged(
        where,
        [_node(id, value, f"{where}.mapping{written(id[:100])}") for id, value in mapping.items()],
        source_id=source_id,
        title=one_line(string_of(raw.get("title"), f"{where}.title")),
        created_at=seconds_of(raw.get("create_time"), f"{where}.create_time"),
        updated_at=seconds_of(raw.get("update_time"), f"{where}.update_time"),
        active_id=active_id,
    )


def write(conversation: Conversation) -> Iterator[str]:
    """The conversation as one of the list, message by message."""
    head = {
        "title": conversation.title or None,
        "create_time": conversation.created_at / 1000,
        "update_time": conversation.updated_at / 1000,
    }
    children: dict[str, list[str]] = {}
    for said in conversation.messages:
        children.setdefault(said.parent_id or _ROOT, []).append(said.id)
    root = {"id": _ROOT, "message": None, "parent": None, "children": children.get(_ROOT, [])}
    yield f'{json_text(head)[:-1]},"mapping":{{{json_text(_ROOT)}:{json_text(root)}'
    for said in conversation.messages:
        node = {
            "id": said.id,
            "message": _message(said),
            "parent": said.parent_id or _ROOT,
            "children": children.get(said.id, []),
        }
        yield f",{json_text(said.id)}:{json_text(node)}"
    tail = {
        "current_node": conversation.active_id or _ROOT,
        "conversation_id": conversation.source_id,
        "default_model_slug": conversation.model or None,
        "id": conversation.source_id,
    }
    yield f"}},{json_text(tail)[1:]}"


def _node(key: str, value: object, where: str) -> Node:
    raw = object_of(value, where)
    id, parent_id = id_of(key, where), id_of(raw.get("parent"), f"{where}.parent")
    if not id:
        raise garbage(where, "has no id")
    if raw.get("message") is None:
        return Node(id, parent_id, ROLE_UNSPECIFIED, "", None)
    where = f"{where}.message"
    message = object_of(raw["message"], where)
    metadata = object_of(message.get("metadata") or {}, f"{where}.metadata")
    author = object_of(message.get("author"), f"{where}.author")
    role = _ROLES.get(string_of(author.get("role"), f"{where}.author.role"), ROLE_UNSPECIFIED)
    is_for_people = message.get("recipient") in (None, "all")
    is_shown = role and is_for_people and metadata.get("is_visually_hidden_from_conversation") is not True
    return Node(
        id,
        parent_id,
        role,
        _text(object_of(message.get("content"), f"{where}.content"), f"{where}.content") if is_shown else "",
        seconds_of(message.get("create_time"), f"{where}.create_time"),
        string_of(metadata.get("model_slug"), f"{where}.metadata.model_slug"),
    )


def _text(content: Mapping[str, Any], where: str) -> str:
    if content.get("content_type") not in _TEXTS:
        return ""
    parts = list_of(content.get("parts"), f"{where}.parts")
    return clean("\n".join(part for part in parts if part and isinstance(part, str)))


def _message(said: Said) -> dict[str, Any]:
    return {
        "id": said.id,
        "author": {"role": _WORDS[said.role], "name": None, "metadata": {}},
        "create_time": said.created_at / 1000,
        "update_time": None,
        "content": {"content_type": "text", "parts": [said.text]},
        "status": "finished_successfully",
        "end_turn": True if said.role == ROLE_ASSISTANT else None,
        "weight": 1.0,
        "metadata": {"model_slug": said.model} if said.role == ROLE_ASSISTANT and said.model else {},
        "recipient": "all",
        "channel": None,
    }
