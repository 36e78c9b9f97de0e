"""The context that is sent to a model: the thread's history for that model, cut to its context length.

What is cut is told by a summary where there is one. Sizes are estimates, put right by what the provider counted of the
last context: see `_correction`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from llmchat.catalog.v1.model_config_pb2 import TEMPERATURE_TYPE_RANGE, ModelConfig
from llmchat.messages.stored.v1.stream_pb2 import Conversation
from llmchat.messages.v1.message_pb2 import ROLE_ASSISTANT, Message

from libs.common.documents.documents import Documents
from libs.common.errors import Invalid
from libs.common.store.port import Cursor, Query
from services.messages.branches import Path
from services.messages.collections import CONVERSATIONS, MESSAGES
from services.messages.providers.port import Prompt, Turn
from services.messages.rules import text_of, text_tokens
from services.messages.summaries import Place, find_summary, told_until, wanted_until, with_summary

_PAGE = 50
# What roles and separators cost, in tokens a message.
_OVERHEAD = 4
# Figures beyond these say that a provider counts something else than the context.
_LEAST_CORRECTION, _MOST_CORRECTION = 0.5, 8.0


@dataclass(frozen=True, slots=True)
class Context:
    """What a model is asked, and the size of that in estimated tokens.

    `outgrown` is up to where a summary is to tell, once for what is neither in here nor in one; None: nothing is.
    """

    prompt: Prompt
    tokens: int
    outgrown: Place | None = None


@dataclass(frozen=True, slots=True)
class _Said:
    """One message of the history. `cost` is in estimated tokens."""

    place: Place
    turn: Turn
    cost: int


def estimate_tokens(text: str) -> int:
    """Of a text as a message: a little for the message itself."""
    return text_tokens(text) + _OVERHEAD


def context_budget(model: ModelConfig) -> int:
    """How many tokens of context fit, with room for the answer: at most half of the whole is kept for it."""
    whole = model.specs.context_length
    return whole - min(model.specs.max_output_tokens, whole // 2)


def accepted_temperature(model: ModelConfig, wanted: float) -> float | None:
    """`wanted` where the model takes a range of temperatures; None where it keeps to its own."""
    return wanted if model.ui.temperature_type == TEMPERATURE_TYPE_RANGE else None


def require_fits(model: ModelConfig, system_prompt: str, content: str) -> None:
    """Refuses a question that no cut of the history would make room for.

    Raises:
        Invalid: question and system prompt alone exceed the model's context.
    """
    if estimate_tokens(system_prompt) + estimate_tokens(content) > context_budget(model):
        text = f"is too long for {model.id}, whose context holds {context_budget(model)} tokens"
        raise Invalid.field("content", text, reason="CONTEXT_TOO_LONG")


async def build_context(documents: Documents, model: ModelConfig, answer: Message, *, summing_up: bool) -> Context:
    """What to send for `answer`: the newest messages of its path until the context is full.

    Where they are not all and `summing_up`, the summary comes first, and then what it does not tell of: that, and at
    least what half of the context holds. As soon as more than that is missing, a summary of all but the newest half is
    to be made.
    """
    conversation = await documents.find(CONVERSATIONS, answer.thread_id) or Conversation(id=answer.thread_id)
    path = Path(conversation, answer.model_id, answer.branch)
    system = estimate_tokens(answer.system_prompt)
    newest_first: list[_Said] = []
    size, room = system, float(context_budget(model))
    is_corrected = False
    async with aclosing(_said_before(documents, path, answer)) as earlier:
        async for message in earlier:
            if not is_corrected and (correction := _correction(message)):
                room, is_corrected = room / correction, True
            one = _said(message)
            newest_first.append(one)
            size += one.cost
            if len(newest_first) > 1 and size > room:
                break
    if len(newest_first) < 2 or size <= room:
        return Context(_prompt(model, answer, newest_first), size)
    if not summing_up:
        return Context(_prompt(model, answer, newest_first[:-1]), size - newest_first[-1].cost)

    summary = await find_summary(documents, answer.thread_id, answer.model_id)
    told = told_until(summary, path)
    text = summary.text if summary is not None and told else ""
    used = system + (estimate_tokens(text) if text else 0)
    half = used + (room - used) / 2
    shown = 0
    for one in newest_first[:-1]:
        if shown and (used + one.cost > room or (one.place.position <= told and used >= half)):
            break
        used += one.cost
        shown += 1
    missing = newest_first[shown].place.position
    is_told = missing <= max(told, wanted_until(summary, path))
    outgrown = None if is_told else _older_half(newest_first, (room - system) / 2)
    prompt = _prompt(model, answer, newest_first[:shown])
    return Context(replace(prompt, system=with_summary(prompt.system, text)), used, outgrown)


async def said_after(
    documents: Documents, path: Path, thread_id: str, model_id: str, position: int
) -> AsyncGenerator[Message, None]:
    """The messages of a path behind a position, oldest first, as far as they say anything."""
    query = Query.where(
        MESSAGES,
        thread_id=thread_id,
        model_id=model_id,
        order="position",
        # Strictly after every message at it.
        after=Cursor(position + 1, ""),
        limit=_PAGE,
    )
    async for message in _pages(documents, path, query):
        yield message


async def _said_before(documents: Documents, path: Path, answer: Message) -> AsyncGenerator[Message, None]:
    """What was said before `answer`, newest first."""
    query = Query.where(
        MESSAGES,
        thread_id=answer.thread_id,
        model_id=answer.model_id,
        order="position",
        descending=True,
        after=Cursor(answer.position, ""),
        limit=_PAGE,
    )
    async for message in _pages(documents, path, query):
        yield message


async def _pages(documents: Documents, path: Path, query: Query[Message]) -> AsyncGenerator[Message, None]:
    while True:
        page = await documents.query(query)
        for message in page:
            if text_of(message) and path.holds(message):
                yield message
        if len(page) < _PAGE:
            return
        query = replace(query, after=Cursor(page[-1].position, page[-1].id))
        # A context of a million tokens is read in many pages: others have their turn in between.
        await asyncio.sleep(0)


def _said(message: Message) -> _Said:
    text = text_of(message)
    turn = Turn("assistant" if message.role == ROLE_ASSISTANT else "user", text)
    return _Said(Place(message.branch, message.position), turn, estimate_tokens(text))


def _correction(message: Message) -> float | None:
    """By what estimates are to be multiplied; None where this message does not know.

    The provider's own count of an answer's context, over our estimate of the same: the newest answer that has both says
    how large everything up to it is, and a text of the same language and kind that came since.
    """
    if not (message.input_tokens and message.estimated_tokens):
        return None
    return min(max(message.input_tokens / message.estimated_tokens, _LEAST_CORRECTION), _MOST_CORRECTION)


def _older_half(newest_first: Sequence[_Said], half: float) -> Place:
    """The newest message, the question apart, from which on the newer ones and itself are larger than `half`."""
    size = newest_first[0].cost
    for one in newest_first[1:]:
        size += one.cost
        if size > half:
            return one.place
    return newest_first[-1].place


def _prompt(model: ModelConfig, answer: Message, newest_first: Sequence[_Said]) -> Prompt:
    return Prompt(
        model=model.model_version or model.id,
        system=answer.system_prompt,
        turns=tuple(one.turn for one in reversed(newest_first)),
        temperature=accepted_temperature(model, answer.temperature) if answer.HasField("temperature") else None,
        max_output_tokens=model.specs.max_output_tokens or None,
        context_length=model.specs.context_length or None,
    )
