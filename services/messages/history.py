"""The context that is sent to a model: the thread's history for that model, cut to its context length."""

from __future__ import annotations

import asyncio

from llmchat.catalog.v1.model_config_pb2 import TEMPERATURE_TYPE_RANGE, ModelConfig
from llmchat.messages.v1.message_pb2 import ROLE_ASSISTANT, Message

from libs.common.documents.documents import Documents
from libs.common.errors import Invalid
from libs.common.store.port import Cursor, Query
from services.messages.collections import MESSAGES
from services.messages.providers.port import Prompt, Turn
from services.messages.rules import text_of, text_tokens

_PAGE = 50
# What roles and separators cost, in tokens a message.
_OVERHEAD = 4


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


async def build_prompt(documents: Documents, model: ModelConfig, answer: Message) -> tuple[Prompt, int]:
    """What to send for `answer`, and its size in estimated tokens: newest messages first until the context is full."""
    budget = context_budget(model)
    used = estimate_tokens(answer.system_prompt)
    turns: list[Turn] = []
    place = Cursor(answer.position, "")
    while True:
        query = Query.where(
            MESSAGES,
            thread_id=answer.thread_id,
            model_id=answer.model_id,
            order="position",
            descending=True,
            after=place,
            limit=_PAGE,
        )
        page = await documents.query(query)
        for message in page:
            text = text_of(message)
            if not text:
                continue
            cost = estimate_tokens(text)
            if turns and used + cost > budget:
                return _prompt(model, answer, turns), used
            turns.append(Turn("assistant" if message.role == ROLE_ASSISTANT else "user", text))
            used += cost
        if len(page) < _PAGE:
            return _prompt(model, answer, turns), used
        place = Cursor(page[-1].position, page[-1].id)
        # A context of a million tokens is read in many pages: others have their turn in between.
        await asyncio.sleep(0)


def _prompt(model: ModelConfig, answer: Message, newest_first: list[Turn]) -> Prompt:
    turns = tuple(reversed(newest_first))
    return Prompt(
        model=model.model_version or model.id,
        system=answer.system_prompt,
        turns=turns,
        temperature=accepted_temperature(model, answer.temperature) if answer.HasField("temperature") else None,
        max_output_tokens=model.specs.max_output_tokens or None,
        context_length=model.specs.context_length or None,
    )
