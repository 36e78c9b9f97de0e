"""The summaries that are kept: one per thread and model, of the part of the conversation that its context has no room
for.
"""

from __future__ import annotations

from typing import NamedTuple

from llmchat.events.v1.events_pb2 import SummaryWanted, ThreadSummarized
from llmchat.messages.stored.v1.stream_pb2 import Conversation, Summary
from llmchat.messages.v1.message_pb2 import Message

from libs.common.clock import timestamp
from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.events.outbox import Outbox
from libs.common.store.port import Query
from services.messages.branches import Path, is_removed
from services.messages.collections import SUMMARIES


class Place(NamedTuple):
    """Where a message stands: everything up to it is on its branch's path."""

    branch: int
    position: int


def summary_id(thread_id: str, model_id: str) -> str:
    """The id under which a thread's summary for a model is kept."""
    return f"{thread_id}.{model_id}"


async def find_summary(documents: Documents | Unit, thread_id: str, model_id: str) -> Summary | None:
    """What is kept; without a text it says only that a summary was asked for."""
    return await documents.find(SUMMARIES, summary_id(thread_id, model_id))


def told_until(summary: Summary | None, path: Path) -> int:
    """Up to which position the summary tells of the path; 0 where it tells of another one."""
    if summary is None or not summary.text:
        return 0
    return _position_on(path, summary, summary.branch, summary.until_position)


def wanted_until(summary: Summary | None, path: Path) -> int:
    """Up to which position of the path a summary was asked for; 0 where none was."""
    return 0 if summary is None else _position_on(path, summary, summary.wanted_branch, summary.wanted_position)


def with_summary(system_prompt: str, text: str) -> str:
    """The system prompt that tells of what was said before; as it is where there is nothing to tell."""
    return "\n\n".join(filter(None, (system_prompt, text and f"What was said before, summed up:\n{text}")))


async def want_summary(unit: Unit, outbox: Outbox, answer: Message, until: Place) -> None:
    """Stages that a summary up to `until` is asked for. The unit is one that puts the conversation."""
    summary = await find_summary(unit, answer.thread_id, answer.model_id) or new_summary(
        answer.thread_id, answer.model_id, answer.user_id
    )
    summary.wanted_branch, summary.wanted_position = until
    unit.put(SUMMARIES, summary)
    wanted = SummaryWanted(
        thread_id=answer.thread_id, user_id=answer.user_id, model_id=answer.model_id, until_position=until.position
    )
    outbox.emit(unit, "summary.wanted", answer.thread_id, wanted)


def new_summary(thread_id: str, model_id: str, user_id: str) -> Summary:
    """One that says nothing yet; not staged."""
    return Summary(id=summary_id(thread_id, model_id), thread_id=thread_id, model_id=model_id, user_id=user_id)


def keep_summary(unit: Unit, outbox: Outbox, summary: Summary) -> None:
    """Stages `summary` as it is now, and that its thread hears of it. The unit is one that puts the conversation."""
    summary.created_at.CopyFrom(timestamp(unit.now))
    _tell(unit, outbox, unit.put(SUMMARIES, summary))


async def drop_untrue(unit: Unit, outbox: Outbox, conversation: Conversation, model_id: str) -> None:
    """Stages the removal of a summary that tells of what was deleted; `conversation` says what that is."""
    summary = await find_summary(unit, conversation.id, model_id)
    if summary is None:
        return
    if is_removed(conversation, _at(summary, summary.wanted_branch, summary.wanted_position)):
        summary.wanted_branch = summary.wanted_position = 0
        unit.put(SUMMARIES, summary)
    if summary.text and is_removed(conversation, _at(summary, summary.branch, summary.until_position)):
        unit.delete(SUMMARIES, summary.id)
        summary.text, summary.tokens = "", 0
        _tell(unit, outbox, summary)


async def remove_summaries(unit: Unit, thread_id: str) -> None:
    """Stages the removal of all summaries of a thread: there are as many as models, at most."""
    for summary in await unit.query(Query.by_id(SUMMARIES, f"{thread_id}.")):
        unit.delete(SUMMARIES, summary.id)


def _tell(unit: Unit, outbox: Outbox, summary: Summary) -> None:
    summarized = ThreadSummarized(
        thread_id=summary.thread_id,
        user_id=summary.user_id,
        model_id=summary.model_id,
        summary=summary.text,
        summary_tokens=summary.tokens,
        summarized_at=timestamp(unit.now),
    )
    outbox.emit(unit, "thread.summarized", summary.thread_id, summarized)


def _position_on(path: Path, summary: Summary, branch: int, position: int) -> int:
    return position if path.holds(_at(summary, branch, position)) else 0


def _at(summary: Summary, branch: int, position: int) -> Message:
    return Message(model_id=summary.model_id, branch=branch, position=position)
