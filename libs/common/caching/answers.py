"""Answers of read RPCs, remembered in the bytes that they go out in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.message import Message

from libs.common.caching.port import Cache
from libs.common.telemetry.lookups import Lookups

if TYPE_CHECKING:
    from libs.common.rpc.pipeline import Answer

    A = TypeVar("A", bound=Answer)

# A larger answer is not remembered.
_MOST_BYTES = 256 * 2**10


class Answers:
    """The answers to one kind of request, by scope: whoever may see one of a scope's may see all of them."""

    def __init__(self, cache: Cache | None, name: str, seconds: int, lookups: Lookups) -> None:
        """Args:
        cache: where they are remembered; None: nowhere.
        name: of the kind, that no other kind has.
        seconds: for which an answer is good at most.
        lookups: counts what is found.
        """
        self._cache = cache
        self._kind = name.encode() + b"\0"
        self._seconds = seconds
        self._lookups = lookups

    async def answer(
        self,
        scope: str,
        request: Message,
        load: Callable[[], Awaitable[A]],
        keep: Callable[[A], bool] = lambda _: True,
    ) -> Answer:
        """The answer to `request`: remembered, or else as `load` gives it, which is remembered if `keep` says so.

        Raises:
            DomainError: what `load` raised.
        """
        if self._cache is None:
            return await load()
        key = self._kind + request.SerializeToString(deterministic=True)
        look = await self._cache.look(scope, key)
        if look.value is not None:
            self._lookups.count(self._cache.found)
            return _Ready(look.value)
        self._lookups.count("nowhere")
        answer = await load()
        if look.version is None or not keep(answer):
            return answer
        body = answer.SerializeToString()
        if len(body) <= _MOST_BYTES:
            self._cache.put(scope, key, look.version, body, self._seconds)
        return _Ready(body)


class _Ready:
    """An answer in its bytes."""

    __slots__ = ("_body",)

    def __init__(self, body: bytes) -> None:
        self._body = body

    def SerializeToString(self) -> bytes:  # noqa: N802 # as messages name it
        """The answer in proto bytes."""
        return self._body
