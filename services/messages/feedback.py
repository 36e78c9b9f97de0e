"""What a reader thinks of an answer."""

from __future__ import annotations

from llmchat.messages.v1.message_pb2 import ROLE_ASSISTANT, Feedback, Message
from llmchat.messages.v1.messages_service_pb2 import SetFeedbackRequest

from libs.common.clock import timestamp
from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.errors import Precondition
from services.messages.branches import version_ids
from services.messages.collections import MESSAGES
from services.messages.rules import read_visible


async def set_feedback(documents: Documents, call: Call, request: SetFeedbackRequest) -> Message:
    """Stores it in place of what was thought before; one that says nothing takes that back. No activity of the thread.

    Raises:
        NotFound: no such message of the caller's.
        Precondition: it is no answer (reason NOT_AN_ANSWER).
    """

    async def work(unit: Unit) -> Message:
        message, conversation = await read_visible(unit, call, request.message_id)
        if message.role != ROLE_ASSISTANT:
            raise Precondition("only an answer takes feedback", reason="NOT_AN_ANSWER")
        if request.feedback == Feedback():
            message.ClearField("feedback")
        else:
            message.feedback.CopyFrom(request.feedback)
        message.updated_at.CopyFrom(timestamp(unit.now))
        unit.put(MESSAGES, message)
        shown = Message()
        shown.CopyFrom(message)
        shown.version_ids[:] = version_ids(conversation, message)
        return shown

    return await documents.once(call, request, Message, work)
