"""Page tokens: opaque, signed, bound to the query and the caller they came from."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

from libs.common.context import current_call
from libs.common.errors import Invalid
from libs.common.store.port import Cursor, Query, Search, Stored

M = TypeVar("M", bound=Message)
_MAC_BYTES = 16
_LENGTH_DELIMITED = 2


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """A page of documents; `next_token` is empty on the last one, `total` None unless it was asked for."""

    stored: Sequence[Stored[M]]
    next_token: str
    total: int | None

    @property
    def items(self) -> list[M]:
        """The documents."""
        return [stored.message for stored in self.stored]

    def answer(self, response: type[Message], field: str) -> PageAnswer:
        """What a list RPC answers: `response` with the documents in its repeated `field`, its token and its total."""
        total = {} if self.total is None else {"total_size": self.total}
        head = response(next_page_token=self.next_token, **total)
        number = response.DESCRIPTOR.fields_by_name[field].number
        return PageAnswer(head, number, [stored.body for stored in self.stored])


class PageAnswer:
    """A list's response, whose documents go out in the bytes that they are stored in: none is parsed or copied.

    In the wire format a repeated message is a tag, a length and the message's own bytes, wherever they stand.
    """

    def __init__(self, head: Message, field_number: int, bodies: Sequence[bytes]) -> None:
        self._head = head
        self._tag = _varint(field_number << 3 | _LENGTH_DELIMITED)
        self._bodies = bodies

    def SerializeToString(self) -> bytes:  # noqa: N802 # as messages name it
        """The response in proto bytes."""
        parts: list[bytes] = []
        for body in self._bodies:
            parts += (self._tag, _varint(len(body)), body)
        parts.append(self._head.SerializeToString())
        return b"".join(parts)


class PageTokens:
    """Signs page tokens with the first of its 32-byte keys, and reads those that any of them signed."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = tuple(keys)

    def issue(self, query: Query[M] | Search[M], last: Cursor) -> str:
        """The token that goes on strictly after `last` in `query`."""
        place = json.dumps([last.value, last.id]).encode()
        return base64.urlsafe_b64encode(_sign(self._keys[0], query, place) + place).rstrip(b"=").decode()

    def read(self, query: Query[M] | Search[M], token: str) -> Cursor:
        """The place that `token` names in `query`.

        Raises:
            Invalid: the token was edited, or comes from another query or another caller.
        """
        try:
            raw = base64.urlsafe_b64decode(token.encode() + b"=" * (-len(token) % 4))
        except (binascii.Error, ValueError):
            raise _refused() from None
        mac, place = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not any(hmac.compare_digest(mac, _sign(key, query, place)) for key in self._keys):
            raise _refused()
        value, id = json.loads(place)
        return Cursor(value, id)


def _sign(key: bytes, query: Query[M] | Search[M], place: bytes) -> bytes:
    bound: tuple[object, ...]
    if isinstance(query, Search):
        bound = ("search", query.within, query.words)
    else:
        index = query.index.fields if query.index else ()
        bound = (index, query.equals, query.prefix, query.descending)
    text = repr((query.spec.name, *bound, current_call().caller.actor)).encode() + b"\0" + place
    return hashlib.blake2b(text, key=key, digest_size=_MAC_BYTES).digest()


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    if number < 0x4000:
        return bytes((number & 0x7F | 0x80, number >> 7))
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def _refused() -> Invalid:
    return Invalid.field("page_token", "is not one that this list gave", reason="INVALID_PAGE_TOKEN")
