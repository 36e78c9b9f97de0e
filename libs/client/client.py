"""The typed client: one method per thing that a person does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from google.protobuf.field_mask_pb2 import FieldMask
from llmchat.messages.v1 import messages_service_pb2 as messages
from llmchat.messages.v1.message_pb2 import Message
from llmchat.threads.v1 import threads_service_pb2 as threads
from llmchat.threads.v1.thread_pb2 import Thread, ThreadSettings

from libs.client.accounts import Accounts
from libs.client.answer import Answer
from libs.client.calls import new_request_id
from libs.client.imports import Imports
from libs.client.keys import Keys
from libs.client.models import Models
from libs.client.operations import Operations
from libs.client.versions import Versions
from libs.client.watching import ThreadsWatch


class Client(Accounts, Imports, Keys, Models, Operations, Versions):
    """Conversations, and all else that a person does: see the classes that this one is made of.

    How it is opened, and what every call goes by, is said at `Connection`.
    """

    # Threads.

    async def create_thread(self, title: str = "", *, settings: ThreadSettings | None = None) -> Thread:
        """Opens a conversation. Without a title one is written after the first answer."""
        request = threads.CreateThreadRequest(title=title, settings=settings, request_id=new_request_id())
        return await self._calls.unary(self._threads.CreateThread, request)

    async def get_thread(self, id: str) -> Thread:
        """One conversation."""
        return await self._calls.unary(self._threads.GetThread, threads.GetThreadRequest(id=id))

    async def list_threads(self, *, archived: bool | None = None, page_size: int = 0) -> AsyncIterator[Thread]:
        """The caller's conversations, newest activity first; `archived` None for archived and others together."""
        request = threads.ListThreadsRequest(page_size=page_size, is_archived=archived)
        async for page in self._calls.pages(self._threads.ListThreads, request):
            for thread in page.threads:
                yield thread

    async def update_thread(self, thread: Thread, paths: Sequence[str]) -> Thread:
        """Changes the fields named by `paths` to those of `thread`; Stale when its etag is set and not current."""
        request = threads.UpdateThreadRequest(
            thread=thread, update_mask=FieldMask(paths=paths), request_id=new_request_id()
        )
        return await self._calls.unary(self._threads.UpdateThread, request)

    async def delete_thread(self, id: str, *, etag: str = "") -> None:
        """Removes a conversation now and its messages soon after."""
        request = threads.DeleteThreadRequest(id=id, etag=etag, request_id=new_request_id())
        await self._calls.unary(self._threads.DeleteThread, request)

    def watch_threads(self, limit: int = 0) -> AsyncIterator[threads.ThreadChange]:
        """The newest `limit` conversations (0: 100), `synced`, then every change as it happens, on whichever replica.

        A broken watch is opened again: each conversation is told once at each revision, in order, however often.
        """
        return ThreadsWatch(self._calls, self._threads, limit, self._patience).changes()

    # Messages.

    def send(
        self,
        thread_id: str,
        model_id: str,
        content: str,
        *,
        temperature: float | None = None,
        system_prompt: str = "",
        busy_policy: messages.BusyPolicy = messages.BUSY_POLICY_UNSPECIFIED,
        request_id: str = "",
    ) -> Answer:
        """Asks `model_id`; the question is sent by the first step of the iteration.

        A `request_id` of one's own lets a process that starts again repeat a send that it may have made before.
        """
        request = messages.SendMessageRequest(
            thread_id=thread_id,
            model_id=model_id,
            content=content,
            temperature=temperature,
            system_prompt=system_prompt,
            busy_policy=busy_policy,
            request_id=request_id or new_request_id(),
        )
        return Answer(self._calls, self._messages, send=request, patience=self._patience)

    def resume(self, message_id: str, after_seq: int = 0) -> Answer:
        """The rest of an answer, running or long finished, after the token `after_seq`."""
        return Answer(self._calls, self._messages, message_id=message_id, after_seq=after_seq, patience=self._patience)

    async def get_message(self, id: str, *, html: bool = False) -> Message:
        """One message; `html` asks for its text as HTML as well, rendered from Markdown and cleaned."""
        request = messages.GetMessageRequest(id=id, format=_format(html))
        return await self._calls.unary(self._messages.GetMessage, request)

    async def list_messages(
        self,
        thread_id: str,
        *,
        model_id: str = "",
        oldest_first: bool = True,
        page_size: int = 0,
        html: bool = False,
        all_branches: bool = False,
    ) -> AsyncIterator[Message]:
        """The messages of a conversation, of all models or of one, other versions too where `all_branches` are asked
        for; `html` as of `get_message`.
        """
        request = messages.ListMessagesRequest(
            thread_id=thread_id,
            model_id=model_id,
            oldest_first=oldest_first,
            page_size=page_size,
            format=_format(html),
            all_branches=all_branches,
        )
        async for page in self._calls.pages(self._messages.ListMessages, request):
            for message in page.messages:
                yield message


def _format(html: bool) -> messages.TextFormat:
    return messages.TEXT_FORMAT_HTML if html else messages.TEXT_FORMAT_UNSPECIFIED
