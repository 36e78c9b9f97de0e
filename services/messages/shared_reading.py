"""ListSharedMessages: what a reader sees of a thread that is shared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmchat.messages.stored.v1.stream_pb2 import Conversation
from llmchat.messages.v1.message_pb2 import Message
from llmchat.messages.v1.messages_service_pb2 import (
    TEXT_FORMAT_HTML,
    ListSharedMessagesRequest,
    ListSharedMessagesResponse,
)
from llmchat.threads.v1.threads_service_pb2 import GetSharedThreadRequest

from libs.common.documents.documents import PAGE_BYTES, Documents
from libs.common.errors import NotFound
from libs.common.store.port import Query
from services.messages.branches import on_active_paths
from services.messages.collections import CONVERSATIONS, MESSAGES
from services.messages.reading import HTML_PAGE_BYTES, PAGE_SIZE
from services.messages.rendering import HtmlRenderer

if TYPE_CHECKING:
    from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceAsyncStub

# What a reader may know of a message: not whose it is, how it was asked for, what it cost or what was thought of it.
_SHOWN = (
    *("id", "model_id", "role", "content", "tokens", "html", "status"),
    *("created_at", "position", "parent_id"),
)


async def list_shared_messages(
    documents: Documents,
    threads: ThreadsServiceAsyncStub,
    renderer: HtmlRenderer,
    request: ListSharedMessagesRequest,
) -> ListSharedMessagesResponse:
    """A page of the messages on the active paths, oldest first. Whether the caller may read them, the threads service
    says at each.

    Raises:
        NotFound: the token shows nothing, or not to the caller.
        Invalid: the page token is not one that this list gave this caller.
    """
    shared = await threads.GetSharedThread(GetSharedThreadRequest(share_token=request.share_token))
    conversation = await documents.find(CONVERSATIONS, shared.thread_id) or Conversation(id=shared.thread_id)
    if conversation.deleted:
        raise NotFound("shared thread", "of this token")
    query = Query.where(
        MESSAGES,
        order="position",
        limit=request.page_size or PAGE_SIZE,
        thread_id=shared.thread_id,
    )
    is_html = request.format == TEXT_FORMAT_HTML
    page = await documents.page(
        query,
        request.page_token,
        count=request.count_total,
        most_bytes=HTML_PAGE_BYTES if is_html else PAGE_BYTES,
        keep=on_active_paths(conversation),
    )
    if is_html:
        await renderer.add_html(page.items)
    messages = [_shown(message) for message in page.items]
    return ListSharedMessagesResponse(messages=messages, next_page_token=page.next_token, total_size=page.total)


def _shown(message: Message) -> Message:
    shown = Message()
    for name in _SHOWN:
        field = message.DESCRIPTOR.fields_by_name[name]
        if field.has_presence and not message.HasField(name):
            continue
        value = getattr(message, name)
        if field.message_type is not None:
            getattr(shown, name).CopyFrom(value)
        else:
            setattr(shown, name, value)
    return shown
