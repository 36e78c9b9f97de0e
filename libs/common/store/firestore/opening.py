"""What is done when a store is opened: indexes and documents are brought to what is declared.

`llmchat.declared/{service}.{collection}` remembers what was declared last, so that this is done once.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Collection
from typing import Any

from google.cloud.firestore_v1.types import write as types

from libs.common.errors import Unavailable
from libs.common.store.firestore.address import Address
from libs.common.store.firestore.client import Aborted, Client, Lost, Moved
from libs.common.store.firestore.deploying import deploy
from libs.common.store.firestore.indexes import firestore_indexes
from libs.common.store.firestore.layout import Document, Layout
from libs.common.store.firestore.names import INDEX
from libs.common.store.firestore.pausing import pauses
from libs.common.store.firestore.queries import page
from libs.common.store.firestore.reading import whole
from libs.common.store.firestore.values import from_fields, to_value

_Write = types.Write.pb()

_DECLARED = "llmchat.declared"
_PAGE = 100
_PATIENCE = 30.0  # seconds for each document


async def prepare(address: Address, client: Client, service: str, layouts: Collection[Layout[Any]]) -> None:
    """Writes documents anew that lack what is indexed now, and makes indexes that are missing.

    Raises:
        Unavailable: Firestore does not answer, or the credentials do not suffice for what has to be done.
    """
    names = {layout.collection: f"{address.documents}/{_DECLARED}/{layout.collection}" for layout in layouts}
    seen = await client.get(list(names.values()), ("indexed", "indexes"))
    there = {name: from_fields(document.fields) for name, document in seen.documents.items()}
    wanted = {names[layout.collection]: _declaration(service, layout) for layout in layouts}
    changed = [layout for layout in layouts if there.get(names[layout.collection]) != wanted[names[layout.collection]]]
    if not changed:
        return
    before = {name: set(declared["indexed"]) for name, declared in there.items()}
    await asyncio.gather(
        *(
            _fill(address, client, layout)
            for layout in changed
            if set(layout.indexed) - before.get(names[layout.collection], set())
        ),
        deploy(address, {service: [layout.spec for layout in changed]}),
    )
    await asyncio.gather(
        *(
            _write(client, _Write(update=Document(name=names[name], fields=_fields(wanted[names[name]]))))
            for name in (layout.collection for layout in changed)
        )
    )


def _declaration(service: str, layout: Layout[Any]) -> dict[str, Any]:
    indexes = json.dumps(firestore_indexes({service: [layout.spec]}), sort_keys=True)
    return {"indexed": layout.indexed, "indexes": hashlib.sha256(indexes.encode()).hexdigest()}


def _fields(values: dict[str, Any]) -> dict[str, Any]:
    return {name: to_value(value) for name, value in values.items()}


async def _fill(address: Address, client: Client, layout: Layout[Any]) -> None:
    """Writes anew what indexes find each document by. Whoever puts a document meanwhile does so too."""
    found = await client.query(address.documents, page(layout, "", _PAGE))
    while found.documents:
        stored = await whole(client, layout, found.documents, found.at)
        await asyncio.gather(
            *(
                _write(client, _indexed(document, layout.index(one.message)))
                for document, one in zip(found.documents, stored, strict=True)
            )
        )
        found = await client.query(address.documents, page(layout, found.documents[-1].name, _PAGE))


def _indexed(document: Any, index: Any) -> Any:
    write = _Write(update=Document(name=document.name, fields={INDEX: index}))
    write.update_mask.field_paths.append(INDEX)
    write.current_document.update_time.CopyFrom(document.update_time)
    return write


async def _write(client: Client, write: Any) -> None:
    """Stores it, unless the document has moved."""
    for pause in pauses(_PATIENCE):
        try:
            await client.commit([write])
        except Moved:
            return
        except (Aborted, Lost):
            await asyncio.sleep(pause)
        else:
            return
    raise Unavailable("a document could not be brought to what is declared")
