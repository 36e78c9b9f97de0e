"""A title for a conversation, asked of the model that it is held with."""

from __future__ import annotations

from llmchat.messages.v1.message_pb2 import ROLE_USER
from llmchat.messages.v1.messages_service_pb2 import SuggestTitleRequest, SuggestTitleResponse

from libs.common.context import Call
from libs.common.documents.documents import Documents
from libs.common.rpc.interceptors.text import without_forbidden
from libs.common.store.port import Query
from services.messages.asking import ask_model
from services.messages.collections import MESSAGES
from services.messages.models import Models
from services.messages.rules import known_conversation, text_of, thread_not_found

_INSTRUCTION = (
    "Answer with a title of at most six words for a conversation that begins with the user's message. "
    "The title alone: no quotes, no full stop."
)
_EXCERPT = 2000
_LENGTH = 60


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
    question = text_of(first[0])[:_EXCERPT]
    if not model.features.title_generation:
        return SuggestTitleResponse(title=clean_title(question))
    text, tokens_used = await ask_model(models, model, _INSTRUCTION, question)
    return SuggestTitleResponse(title=clean_title(text) or clean_title(question), tokens_used=tokens_used)


def clean_title(text: str) -> str:
    """One line of at most 60 characters, cut between words, without the quotes and the full stop that models add."""
    title = " ".join(without_forbidden(text).split()).strip("\"'“”‘’ ").removesuffix(".")
    if len(title) <= _LENGTH:
        return title
    cut = title[:_LENGTH]
    return (cut.rsplit(" ", 1)[0] if " " in cut else cut[:-1]).rstrip(" ,;:") + "…"
