"""How an SQL engine writes what all of them say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from libs.common.store.port import IndexValue


@dataclass(frozen=True, slots=True)
class Dialect:
    """`quote` encloses names, `mark` stands for a value; `types` define the column of an indexed field by its kind.

    `above` is ordered above every id. `longest_name` is the engine's own limit, in bytes. `pairs` tells whether
    `(a, b) > (x, y)` finds its place in an index.
    """

    quote: str
    mark: str
    types: Mapping[type[IndexValue], str]
    above: Any
    longest_name: int = 2**16
    pairs: bool = True

    def quoted(self, name: str) -> str:
        """A name as SQL takes it literally."""
        return self.quote + name.replace(self.quote, 2 * self.quote) + self.quote


@dataclass(frozen=True, slots=True)
class Keys:
    """For engines that neither take every text nor index long ones: how values are given to them, and what is indexed.

    `given` writes a value of each kind so that its order stays. Of a text an index holds the first `length` units, as
    the engine counts them: by what `of` makes of a column's plain name.
    """

    given: Mapping[type[IndexValue], Callable[[Any], Any]]
    length: int
    of: Callable[[str], str]
