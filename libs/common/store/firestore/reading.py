"""Documents with what is below them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from libs.common.store.firestore.client import Client
from libs.common.store.firestore.layout import Layout, below
from libs.common.store.port import M, Stored


async def whole(client: Client, layout: Layout[M], documents: Sequence[Any], at: Any) -> list[Stored[M]]:
    """The documents with their bodies, which are read as of the same moment."""
    names = {document.name: below(document) for document in documents}
    wanted = [name for parts in names.values() for name in parts]
    parts = (await client.get(wanted, ["body"], as_of=at)).documents if wanted else {}
    return [
        layout.stored(document, tuple(parts[name].fields["body"].bytes_value for name in names[document.name]))
        for document in documents
    ]
