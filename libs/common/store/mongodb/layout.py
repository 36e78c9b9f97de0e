"""How one collection's documents lie in MongoDB, and what is asked of them; nothing is executed here.

```
{ _id: "thread_01j…", revision: 3,
  document: { id: "thread_01j…", title: "Lisbon", updatedAt: 1700000000123, … },   the JSON of `codec`
  index: { user_id: "user_01j…", "settings/is_archived": false, updated_at: 1700000000123 },
  search: { within: "user_01j…", words: [{ word: "lisbon", weight: 2 }] } }
```

`index` holds every indexed field by its proto path, what is not set as its zero; `search` is there where a text index
is declared. Strings compare as UTF-8 bytes, which is code point order, and whole numbers exactly.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Generic, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from pymongo import ASCENDING, DESCENDING, IndexModel

from libs.common.errors import Invalid
from libs.common.store.codec import Json, decode, encode
from libs.common.store.fields import indexed_fields
from libs.common.store.mongodb.names import escaped, has_chosen_names, unescaped
from libs.common.store.port import CollectionSpec, Index, M, Query, Search, Stored, UnindexedQuery
from libs.common.store.rules import prefix_end
from libs.common.store.words import TextFields

READ = {"revision": True, "document": True}
_SEARCH = "search"
_WORD, _WITHIN = "search.words.word", "search.within"


class Layout(Generic[M]):
    """What one collection keeps and answers."""

    def __init__(self, spec: CollectionSpec[M]) -> None:
        """Finds the fields.

        Raises:
            ValueError: an index names a field that its message does not have.
        """
        self.spec = spec
        self._fields = [(_key(field.path), field.read) for field in indexed_fields(cast(CollectionSpec[Message], spec))]
        self._text = (TextFields(spec, spec.text), spec.text) if spec.text else None
        self._chosen_names = has_chosen_names(cast(Descriptor, spec.message.DESCRIPTOR))
        self.indexes = {_name(index): _keys(index) for index in spec.indexes}
        if spec.text:
            self.indexes[_SEARCH] = [(_WITHIN, ASCENDING), (_WORD, ASCENDING)]
        # What `index` and `search` are made of: documents are filled anew when it changes.
        self.declared = {
            "fields": sorted(key for key, _ in self._fields),
            "search": [spec.text.within, *map(list, spec.text.fields.items())] if spec.text else None,
        }

    def models(self) -> list[IndexModel]:
        """The indexes, to be made."""
        return [IndexModel(keys, name=name) for name, keys in self.indexes.items()]

    def kept(self, message: Message) -> Json:
        """What is kept of a message.

        Raises:
            Invalid: it holds a number that JSON cannot.
        """
        try:
            document = encode(message)
        except ValueError as error:
            raise Invalid(f"{self.spec.kind}: {error}") from error
        return {"document": escaped(document) if self._chosen_names else document, **self.found_by(message)}

    def found_by(self, message: Message) -> Json:
        """What indexes find a message by."""
        index: Json = {key: read(message) for key, read in self._fields}
        if self._text is None:
            return {"index": index}
        text, declared = self._text
        weights: defaultdict[str, float] = defaultdict(float)
        for weight, words in zip(declared.fields.values(), text.words(message), strict=True):
            for word in words:
                weights[word] += weight
        entries = [{"word": word, "weight": weight} for word, weight in weights.items()]
        return {"index": index, "search": {"within": text.within(message), "words": entries}}

    def message(self, row: Json) -> M:
        """The message of a document that was read."""
        document = row["document"]
        return decode(self.spec.message, unescaped(document) if self._chosen_names else document)

    def stored(self, row: Json) -> Stored[M]:
        """A document that was read."""
        return Stored(row["_id"], row["revision"], self.message(row).SerializeToString(), self.spec.message)

    def held(self, query: Query[M]) -> Json:
        """The filter of what a query's equalities or prefix hold.

        Raises:
            UnindexedQuery: the store was opened without the query's index.
        """
        if query.index is None:
            return {"_id": _from(query.prefix)} if query.prefix else {}
        if query.index not in self.spec.indexes:
            raise UnindexedQuery(f"{self.spec.name}: the store was opened without the index {query.index.name}")
        return {_path(path): value for path, value in zip(query.index.equals, query.equals, strict=True)}

    def selected(self, query: Query[M]) -> Json:
        """The arguments by which `find` answers a query, its cursor and limit included."""
        way = DESCENDING if query.descending else ASCENDING
        beyond = "$lt" if query.descending else "$gt"
        held, after = self.held(query), query.after
        if query.index is None:
            if after is not None and after.id:
                held = {"$and": [held, {"_id": {beyond: after.id}}]}
            return {"filter": held, "sort": [("_id", way)], "limit": query.limit}
        order = _path(query.index.order)
        if after is not None:
            # The first part bounds the index, the second passes over what is tied, by keys of the index alone.
            place: list[Json] = [{order: {f"{beyond}e": after.value}}]
            if after.id:
                place.append({"$or": [{order: {beyond: after.value}}, {"_id": {beyond: after.id}}]})
            held = {"$and": [held, *place]}
        return {"filter": held, "sort": [(order, way), ("_id", way)], "limit": query.limit, "hint": _name(query.index)}

    def found(self, search: Search[M]) -> list[Json]:
        """The stages that answer a search: each occurrence of a word counts what its field weighs.

        Raises:
            UnindexedQuery: the store was opened without a text index.
        """
        if self._text is None:
            raise UnindexedQuery(f"{self.spec.name}: the store was opened without a text index")
        *whole, last = search.words
        begins = _from(last)
        matches = [{_WORD: word} for word in whole]
        counted: list[Json] = [{"$in": ["$$one.word", {"$literal": whole}]}]
        counted.append({"$and": [{bound: ["$$one.word", {"$literal": value}]} for bound, value in begins.items()]})
        words = {"$filter": {"input": "$search.words", "as": "one", "cond": {"$or": counted}}}
        weight = {"$sum": {"$map": {"input": words, "as": "one", "in": "$$one.weight"}}}
        return [
            {
                "$match": {
                    "$and": [{_WITHIN: search.within}, *matches, {"search.words": {"$elemMatch": {"word": begins}}}]
                }
            },
            {"$set": {"weight": weight}},
            {"$sort": {"weight": DESCENDING, "_id": ASCENDING}},
            {"$skip": search.offset},
            {"$limit": search.limit},
            {"$project": READ},
        ]


def _from(prefix: str) -> Json:
    """The range of what begins with `prefix`."""
    end = prefix_end(prefix)
    return {"$gte": prefix} if end is None else {"$gte": prefix, "$lt": end}


def _key(path: str) -> str:
    return path.replace(".", "/")  # a dot in the name of an index's key would lead into a document


def _path(path: str) -> str:
    return f"index.{_key(path)}"


def _name(index: Index) -> str:
    return ",".join(map(_key, index.fields))


def _keys(index: Index) -> list[tuple[str, int]]:
    return [(path, ASCENDING) for path in (*map(_path, index.fields), "_id")]
