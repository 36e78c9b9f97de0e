"""A person's documents in the order of their declaration, from any place on, a few at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf.message import Message

from libs.common.documents.places import place_of
from libs.common.errors import Invalid
from libs.common.personal_data.declaration import Below, ByUser, PersonalSpec, UnderOwnId
from libs.common.store.port import Cursor, IndexValue, Query, Store, Stored

# Documents read at a time: a message at its largest is a quarter of a megabyte.
_SLICE = 20


@dataclass(frozen=True, slots=True)
class Place:
    """Strictly after a document of a collection; `parent_id` is what it hangs on, where it was found by that."""

    collection: str
    parent_id: str
    after: Cursor

    @property
    def token(self) -> str:
        """The place as text."""
        return json.dumps([self.collection, self.parent_id, self.after.value, self.after.id])

    @classmethod
    def parse(cls, token: str) -> Place:
        """The place that `token` names.

        Raises:
            Invalid: it names none.
        """
        try:
            collection, parent_id, value, id = json.loads(token)
        except (ValueError, TypeError):
            raise _refused() from None
        texts = (collection, parent_id, id)
        if not isinstance(value, IndexValue | None) or not all(isinstance(text, str) for text in texts):
            raise _refused()
        return cls(collection, parent_id, Cursor(value, id))


@dataclass(frozen=True, slots=True)
class Found:
    """A document of a person, and the place after it."""

    stored: Stored[Message]
    place: Place


async def read(
    store: Store, specs: Sequence[PersonalSpec], user_id: str, place: Place | None
) -> AsyncGenerator[Found, None]:
    """The person's documents after `place`, or from the first one.

    Raises:
        Invalid: the place is in a collection that is not declared.
    """
    if place is not None:
        names = [personal.spec.name for personal in specs]
        if place.collection not in names:
            raise _refused()
        specs = specs[names.index(place.collection) :]
    for personal in specs:
        async for found in _of(store, personal, user_id, place):
            yield found
        place = None


async def _of(store: Store, personal: PersonalSpec, user_id: str, place: Place | None) -> AsyncGenerator[Found, None]:
    match personal:
        case UnderOwnId(spec):
            for stored in await store.get_many(spec, [user_id]) if place is None else ():
                yield Found(stored, Place(spec.name, "", Cursor(None, stored.id)))
        case ByUser():
            async for found in _slices(store, _by_user(personal, user_id, place.after if place else None)):
                yield found
        case Below(parents):
            if place is not None:
                # The rest of those below the parent where the place is, then the parents after that one.
                rest = replace(_below(personal, place.parent_id), after=place.after)
                async for found in _slices(store, rest, place.parent_id):
                    yield found
            after = Cursor(place.parent_id, place.parent_id) if place else None
            async for parent in _slices(store, _by_user(parents, user_id, after)):
                async for found in _slices(store, _below(personal, parent.stored.id), parent.stored.id):
                    yield found


def _by_user(personal: ByUser, user_id: str, after: Cursor | None) -> Query[Any]:
    return Query.where(personal.spec, order=personal.order, after=after, user_id=user_id)


def _below(personal: Below, parent_id: str) -> Query[Any]:
    equals: dict[str, Any] = {personal.field: parent_id}
    return Query.where(personal.spec, order=personal.order, **equals)


async def _slices(store: Store, query: Query[Any], parent_id: str = "") -> AsyncGenerator[Found, None]:
    while True:
        query = replace(query, limit=_SLICE)
        stored = await store.query(query)
        for one in stored:
            yield Found(one, Place(query.spec.name, parent_id, place_of(query, one)))
        if len(stored) < _SLICE:
            return
        query = replace(query, after=place_of(query, stored[-1]))
        # A store may answer without a pause, and others wait for the loop.
        await asyncio.sleep(0)


def _refused() -> Invalid:
    return Invalid.field("page_token", "is not one that this service gave", reason="INVALID_PAGE_TOKEN")
