"""Whose a document is: decided here, where it is read, for every service."""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import Message

from libs.common.context import Caller
from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.errors import NotFound
from libs.common.store.port import CollectionSpec

M = TypeVar("M", bound=Message)


async def read_owned(
    documents: Documents | Unit,
    spec: CollectionSpec[M],
    caller: Caller,
    id: str,
    *,
    kind: str = "",
    admins: bool = False,
) -> M:
    """The caller's document, by its field `user_id`; with `admins` anyone's for an administrator.

    `kind` is the word for one where the collection's own will not do.

    Raises:
        NotFound: there is none, or it is another user's: the words are the same.
    """
    document = await documents.find(spec, id)
    if document is None or not (_is_owned(document, caller) or (admins and caller.is_admin)):
        raise NotFound(kind or spec.kind, id)
    return document


def _is_owned(document: Message, caller: Caller) -> bool:
    owner: str = document.user_id  # type: ignore[attr-defined]
    return owner == caller.user_id
