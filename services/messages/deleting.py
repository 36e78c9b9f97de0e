"""DeleteMessage: a message and all that follows it, gone for everybody in one commit, and their documents in steps.

The first commit takes them off the branches and marks them in the conversation's document, by which nobody is shown
them any more: however much there is, and whatever becomes of this process, no part of it is seen without the rest.
"""

from __future__ import annotations

from google.protobuf.empty_pb2 import Empty
from llmchat.events.v1.events_pb2 import RemovalWanted
from llmchat.messages.stored.v1.stream_pb2 import Conversation
from llmchat.messages.v1.message_pb2 import Message
from llmchat.messages.v1.messages_service_pb2 import DeleteMessageRequest

from libs.common.clock import timestamp
from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.documents.portions import read_portion
from libs.common.documents.unit import Unit, require_etag
from libs.common.events.outbox import Outbox
from libs.common.store.port import Cursor, Query
from services.messages import branches
from services.messages.collections import CONVERSATIONS, MESSAGES
from services.messages.generations import Generations
from services.messages.removal import remove
from services.messages.rules import has_ended, read_visible
from services.messages.summaries import drop_untrue


async def delete_message(
    documents: Documents, generations: Generations, outbox: Outbox, call: Call, request: DeleteMessageRequest
) -> Empty:
    """Ends what is being written in answer to it, or below that, and deletes it with all that follows.

    Raises:
        NotFound: no such message of the caller's.
        Stale: the message has moved since the given etag.
        Contended: another process writes an answer faster than it can be stopped.
    """
    etag = request.etag

    async def work(unit: Unit) -> Empty:
        nonlocal etag
        message, conversation = await read_visible(documents, call, request.id)
        require_etag(message, etag)
        if not has_ended(message):
            # Ended here, it moves on from the caller's etag.
            etag = ""
        await _cancel_below(documents, generations, conversation, message)

        message, conversation = await read_visible(unit, call, request.id)
        require_etag(message, etag)
        parent = await branches.read_parent(unit, conversation, message)
        await branches.find_head(unit, conversation, message.model_id)
        branches.remove(conversation, message, parent)
        await drop_untrue(unit, outbox, conversation, message.model_id)
        conversation.updated_at.CopyFrom(timestamp(unit.now))
        unit.put(CONVERSATIONS, conversation)
        wanted = RemovalWanted(thread_id=conversation.id, message_id=message.id)
        # Of its own: it waits for no other event of the thread.
        outbox.emit(unit, "message.removal_wanted", message.id, wanted)
        return Empty()

    return await documents.once(call, request, Empty, work)


async def remove_deleted(
    unit: Unit, generations: Generations, outbox: Outbox, event: RemovalWanted, progress: str
) -> str | None:
    """Stages one step of the removal of what was deleted with a message; where to go on, None at the end.

    The newest goes first, since it follows the others; the last step takes the mark off the conversation. What began to
    be written after the look of `delete_message` is ended here.
    """
    conversation = await unit.find(CONVERSATIONS, event.thread_id)
    if conversation is None or conversation.deleted:
        return None
    removal = next((one for one in conversation.removals if one.message_id == event.message_id), None)
    if removal is None:
        return None
    query = Query.where(
        MESSAGES,
        order="position",
        descending=True,
        after=Cursor(int(progress or removal.until_position), ""),
        thread_id=event.thread_id,
        model_id=removal.model_id,
    )
    portion = await read_portion(unit, query)
    within = [message for message in portion.documents if branches.is_within(removal, message)]
    removed = await remove(unit, generations, within)
    removed.tell(unit, outbox, conversation.id, conversation.user_id)
    if not removed.is_all:
        return progress or str(removal.until_position)
    if portion.is_last or portion.documents[-1].position <= removal.from_position:
        conversation.removals.remove(removal)
        unit.put(CONVERSATIONS, conversation)
        return None
    return str(portion.documents[-1].position - 1)


async def _cancel_below(
    documents: Documents, generations: Generations, conversation: Conversation, message: Message
) -> None:
    """Ends what is written of the message or of what follows it; what waits for its turn first, so that none begins."""
    turns = conversation.turns.get(message.model_id)
    if turns is None:
        return
    removal = branches.removal_of(conversation, message)
    for answer_id in (*reversed(turns.waiting), turns.running):
        answer = await documents.find(MESSAGES, answer_id) if answer_id else None
        if answer is not None and branches.is_within(removal, answer):
            await generations.cancel(answer_id)
