"""Other versions of what was said, what one thinks of an answer, and messages that are deleted."""

from __future__ import annotations

from llmchat.messages.v1 import messages_service_pb2 as messages
from llmchat.messages.v1.message_pb2 import Feedback, Message

from libs.client.answer import Answer
from libs.client.calls import new_request_id
from libs.client.connection import Connection


class Versions(Connection):
    """What is done to messages that are there. A temperature or system prompt left out is that of the answer before."""

    def edit(
        self,
        message_id: str,
        content: str,
        *,
        temperature: float | None = None,
        system_prompt: str = "",
        busy_policy: messages.BusyPolicy = messages.BUSY_POLICY_UNSPECIFIED,
        request_id: str = "",
    ) -> Answer:
        """Asks the question `message_id` otherwise; otherwise as `send`."""
        request = messages.EditMessageRequest(
            message_id=message_id,
            content=content,
            temperature=temperature,
            system_prompt=system_prompt,
            busy_policy=busy_policy,
            request_id=request_id or new_request_id(),
        )
        return Answer(self._calls, self._messages, send=request, patience=self._patience)

    def regenerate(
        self,
        message_id: str,
        *,
        temperature: float | None = None,
        system_prompt: str = "",
        busy_policy: messages.BusyPolicy = messages.BUSY_POLICY_UNSPECIFIED,
        request_id: str = "",
    ) -> Answer:
        """Has another answer written in the place of `message_id`; otherwise as `send`."""
        request = messages.RegenerateMessageRequest(
            message_id=message_id,
            temperature=temperature,
            system_prompt=system_prompt,
            busy_policy=busy_policy,
            request_id=request_id or new_request_id(),
        )
        return Answer(self._calls, self._messages, send=request, patience=self._patience)

    async def select_version(self, message_id: str) -> Message:
        """Goes on with the branch that the message stands on: lists show it, and what is sent next follows there."""
        request = messages.SelectVersionRequest(message_id=message_id, request_id=new_request_id())
        return await self._calls.unary(self._messages.SelectVersion, request)

    async def set_feedback(self, message_id: str, feedback: Feedback | None) -> Message:
        """What one thinks of an answer, in place of what one thought before; None takes that back."""
        request = messages.SetFeedbackRequest(message_id=message_id, feedback=feedback, request_id=new_request_id())
        return await self._calls.unary(self._messages.SetFeedback, request)

    async def delete_message(self, id: str, *, etag: str = "") -> None:
        """Removes a message and all that follows it; Stale when the etag is given and not current."""
        request = messages.DeleteMessageRequest(id=id, etag=etag, request_id=new_request_id())
        await self._calls.unary(self._messages.DeleteMessage, request)
