"""A title for a conversation, asked of the model that it is held with."""

from __future__ import annotations

from llmchat.messages.v1.message_pb2 import ROLE_USER
from llmchat.messages.v1.messages_service_pb2 import SuggestTitleRequest, SuggestTitleResponse

from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.errors import Precondition, Unavailable
from libs.common.rpc.interceptors.text import without_forbidden
from libs.common.store.port import Query
from services.messages.collections import MESSAGES
from services.messages.history import accepted_temperature
from services.messages.models import Models
from services.messages.providers.port import Prompt, ProviderError, Turn, Usage
from services.messages.rules import known_conversation, text_of, thread_not_found

_INSTRUCTION = (
    "Answer with a title of at most six words for a conversation that begins with the user's message. "
    "The title alone: no quotes, no full stop."
)
_EXCERPT = 2000
_LENGTH = 60
_TEMPERATURE = 0.3
_WORTH_A_RETRY = frozenset(("RATE_LIMITED", "OVERLOADED", "TIMEOUT", "PROVIDER_ERROR", "PROVIDER_KEY_UNAVAILABLE"))


async def suggest_title(
    documents: Documents, models: Models, call: Call, request: SuggestTitleRequest
) -> SuggestTitleResponse:
    """What the model calls the conversation, or the question's own words where it makes no titles; stores nothing.

    Raises:
        NotFound: no such thread of the user that the service acts for, nothing said in it, or no such model.
        Precondition: the model is not available, or refuses; or there is no key for it (reason PROVIDER_KEY_MISSING).
        Unavailable: the provider failed in a way that may pass.
    """
    if await known_conversation(documents, call, request.thread_id) is None:
        raise thread_not_found(request.thread_id)
    first = await documents.query(Query.where(MESSAGES, order="position", limit=1, thread_id=request.thread_id))
    if not first or first[0].role != ROLE_USER:
        raise thread_not_found(request.thread_id)
    model = await models.get(request.model_id)
    question = Turn("user", text_of(first[0])[:_EXCERPT])
    if not model.features.title_generation:
        return SuggestTitleResponse(title=clean_title(question.text))
    temperature = accepted_temperature(model, _TEMPERATURE)
    prompt = Prompt(model.model_version or model.id, _INSTRUCTION, (question,), temperature)
    text, tokens_used = "", 0
    try:
        async for piece in models.provider(model).stream(prompt):
            if isinstance(piece, Usage):
                tokens_used = piece.input_tokens + piece.output_tokens
            else:
                text += piece
    except ProviderError as error:
        if error.code in _WORTH_A_RETRY:
            raise Unavailable(error.text, reason=error.code) from error
        raise Precondition(error.text, reason=error.code) from error
    return SuggestTitleResponse(title=clean_title(text) or clean_title(question.text), tokens_used=tokens_used)


def clean_title(text: str) -> str:
    """One line of at most 60 characters, cut between words, without the quotes and the full stop that models add."""
    title = " ".join(without_forbidden(text).split()).strip("\"'“”‘’ ").removesuffix(".")
    if len(title) <= _LENGTH:
        return title
    cut = title[:_LENGTH]
    return (cut.rsplit(" ", 1)[0] if " " in cut else cut[:-1]).rstrip(" ,;:") + "…"
