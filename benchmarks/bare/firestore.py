"""Google's asynchronous Firestore client."""

from __future__ import annotations

import os
from collections.abc import Sequence
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

from google.cloud.firestore import AsyncClient
from google.cloud.firestore_v1.base_query import FieldFilter

from benchmarks.bare.port import PAGE, Document, sortable

_EMULATOR = "FIRESTORE_EMULATOR_HOST"


class BareFirestore:
    """A collection, `bare`, which is found by the index that Firestore has of every field."""

    async def open(self, url: str) -> None:
        place = urlsplit(url)
        emulator = parse_qs(place.query).get("emulator", [os.environ.get(_EMULATOR, "")])[0]
        # The client knows an emulator by the environment alone.
        with patch.dict(os.environ, {_EMULATOR: emulator} if emulator else {}):
            self._client = AsyncClient(project=place.netloc, database=place.path.strip("/") or None)
        self._documents = self._client.collection("bare")

    async def get(self, id: str) -> object:
        return (await self._documents.document(id).get()).to_dict()

    async def page(self, user: str) -> Sequence[object]:
        query = (
            self._documents.where(filter=FieldFilter("place", ">=", f"{user} "))
            .where(filter=FieldFilter("place", "<", f"{user} ~"))
            .order_by("place", direction="DESCENDING")
            .limit(PAGE)
        )
        return [snapshot.to_dict() async for snapshot in query.stream()]

    async def commit(self, documents: Sequence[Document]) -> None:
        batch = self._client.batch()
        for one in documents:
            batch.create(self._documents.document(one.id), {**one.json, "place": sortable(one)})
        await batch.commit()

    async def close(self) -> None:
        async for reference in self._documents.list_documents():
            await reference.delete()
        self._client.close()  # type: ignore[no-untyped-call]
