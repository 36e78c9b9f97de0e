"""Reading messages, one or page by page."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from llmchat.messages.stored.v1.stream_pb2 import Conversation
from llmchat.messages.v1.message_pb2 import Message
from llmchat.messages.v1.messages_service_pb2 import (
    TEXT_FORMAT_HTML,
    GetMessageRequest,
    ListMessagesRequest,
    ListMessagesResponse,
)
from llmchat.threads.v1.threads_service_pb2 import GetThreadRequest

from libs.common.context import Call
from libs.common.documents.documents import PAGE_BYTES, Documents
from libs.common.documents.pages import PageAnswer
from libs.common.store.port import Query
from services.messages.branches import is_plain, is_removed, on_active_paths, version_ids
from services.messages.collections import MESSAGES
from services.messages.rendering import HtmlRenderer
from services.messages.rules import known_conversation, read_visible

if TYPE_CHECKING:
    from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceAsyncStub

PAGE_SIZE = 50
# HTML may take twenty times the bytes of its text; an answer has four megabytes.
HTML_PAGE_BYTES = 128 * 1024


async def read_message(documents: Documents, renderer: HtmlRenderer, call: Call, request: GetMessageRequest) -> Message:
    """One message, in the format that is asked for, with the ids of its versions.

    Raises:
        NotFound: no such message of the caller's.
    """
    message, conversation = await read_visible(documents, call, request.id)
    message.version_ids[:] = version_ids(conversation, message)
    if request.format == TEXT_FORMAT_HTML:
        await renderer.add_html([message])
    return message


async def list_messages(
    documents: Documents,
    threads: ThreadsServiceAsyncStub,
    renderer: HtmlRenderer,
    call: Call,
    request: ListMessagesRequest,
) -> PageAnswer | ListMessagesResponse:
    """A page of a thread's messages, by place in the thread; of all models, or of one. As HTML, it is shorter.

    What stands on no active path is left out, unless all branches are asked for. Where there is one branch alone, the
    messages go out as they are stored; else those that have versions name them.

    Raises:
        NotFound: no such thread of the caller's.
        Invalid: the page token is not one that this list gave.
    """
    known = await known_conversation(documents, call, request.thread_id)
    if known is None:
        await threads.GetThread(GetThreadRequest(id=request.thread_id))
    conversation = known or Conversation()
    narrowed: dict[str, Any] = {"model_id": request.model_id} if request.model_id else {}
    query = Query.where(
        MESSAGES,
        order="position",
        descending=not request.oldest_first,
        limit=request.page_size or PAGE_SIZE,
        thread_id=request.thread_id,
        **narrowed,
    )
    is_html = request.format == TEXT_FORMAT_HTML
    if not is_html and is_plain(conversation, request.model_id):
        page = await documents.page(query, request.page_token, count=request.count_total)
        return page.answer(ListMessagesResponse, "messages")
    page = await documents.page(
        query,
        request.page_token,
        count=request.count_total,
        most_bytes=HTML_PAGE_BYTES if is_html else PAGE_BYTES,
        keep=_shown(conversation, all_branches=request.all_branches),
    )
    for message in page.items:
        message.version_ids[:] = version_ids(conversation, message)
    if is_html:
        await renderer.add_html(page.items)
    return ListMessagesResponse(messages=page.items, next_page_token=page.next_token, total_size=page.total)


def _shown(conversation: Conversation, *, all_branches: bool) -> Callable[[Message], bool]:
    if all_branches:
        return lambda message: not is_removed(conversation, message)
    return on_active_paths(conversation)
