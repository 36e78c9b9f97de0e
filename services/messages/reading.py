"""Reading messages, one or page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmchat.messages.v1.messages_service_pb2 import ListMessagesRequest, ListMessagesResponse
from llmchat.threads.v1.threads_service_pb2 import GetThreadRequest

from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.documents.pages import PageAnswer
from libs.common.store.port import Query
from services.messages.collections import MESSAGES
from services.messages.rules import known_conversation

if TYPE_CHECKING:
    from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceAsyncStub

_PAGE_SIZE = 50


async def list_messages(
    documents: Documents, threads: ThreadsServiceAsyncStub, call: Call, request: ListMessagesRequest
) -> PageAnswer:
    """A page of a thread's messages, by place in the thread; of all models, or of one.

    Raises:
        NotFound: no such thread of the caller's.
        Invalid: the page token is not one that this list gave.
    """
    if await known_conversation(documents, call, request.thread_id) is None:
        await threads.GetThread(GetThreadRequest(id=request.thread_id))
    narrowed: dict[str, Any] = {"model_id": request.model_id} if request.model_id else {}
    query = Query.where(
        MESSAGES,
        order="position",
        descending=not request.oldest_first,
        limit=request.page_size or _PAGE_SIZE,
        thread_id=request.thread_id,
        **narrowed,
    )
    page = await documents.page(query, request.page_token, count=request.count_total)
    return page.answer(ListMessagesResponse, "messages")
