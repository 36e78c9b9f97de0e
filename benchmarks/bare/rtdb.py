"""firebase-admin as the database's owner, whom no rule is asked about; its calls block, so each is made in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

import firebase_admin
from firebase_admin import db

from benchmarks.bare.port import PAGE, Document, sortable
from tests.standins.rtdb_server import RtdbServer

_NAMESPACE = "bare"


class BareRtdb:
    """A node of an emulator's namespace of its own."""

    async def open(self, url: str) -> None:
        place = urlsplit(url)
        if "ns" not in parse_qs(place.query):
            raise NotImplementedError("the bare driver would need rules of its own in a database that holds others'")
        server = RtdbServer(place.netloc)
        server.deploy(_NAMESPACE, {"rules": {"bare": {".indexOn": ["place"]}}})
        options = {"databaseURL": server.database_url(_NAMESPACE)}
        self._app = firebase_admin.initialize_app(options=options, name=_NAMESPACE)
        self._documents = db.reference("bare", self._app)

    async def get(self, id: str) -> object:
        return await asyncio.to_thread(self._documents.child(id).get)

    async def page(self, user: str) -> Sequence[object]:
        query = self._documents.order_by_child("place").start_at(f"{user} ").end_at(f"{user} ~").limit_to_last(PAGE)
        return list((await asyncio.to_thread(query.get)).values())

    async def commit(self, documents: Sequence[Document]) -> None:
        tree = {one.id: {**one.json, "place": sortable(one)} for one in documents}
        await asyncio.to_thread(self._documents.update, tree)

    async def close(self) -> None:
        await asyncio.to_thread(self._documents.delete)
        firebase_admin.delete_app(self._app)
