"""Finding threads by the words of their titles, tags and summaries."""

from __future__ import annotations

from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import SearchThreadsRequest

from libs.common.context import Caller
from libs.common.documents.documents import Documents
from libs.common.documents.pages import Page
from libs.common.errors import Invalid
from libs.common.store.port import Search
from libs.common.store.words import words
from services.threads.collections import THREADS

_PAGE_SIZE = 20
_MOST_WORDS = 20


async def search_threads(documents: Documents, caller: Caller, request: SearchThreadsRequest) -> Page[Thread]:
    """A page of the caller's threads that hold all of the words, the best matches first.

    Raises:
        Invalid: there is no word in the query, or too many, or the page token is not one that this search gave.
    """
    wanted = list(dict.fromkeys(words(request.query)))
    if not 1 <= len(wanted) <= _MOST_WORDS:
        raise Invalid.field("query", f"must hold 1 to {_MOST_WORDS} words")
    size = request.page_size or _PAGE_SIZE
    return await documents.search(Search.of(THREADS, caller.user_id, wanted, limit=size), request.page_token)
