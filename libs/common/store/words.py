"""The words of a text, as text indexes hold them: the same on every engine, so that a search finds the same."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from libs.common.store.fields import indexed_field
from libs.common.store.port import CollectionSpec, TextIndex

_WORD = re.compile(r"[^\W_]+")
# Scripts that put no blanks between words: each of their characters is a word.
_UNSPACED = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_PART = re.compile(f"[{_UNSPACED}]|[^{_UNSPACED}]+")
_LONGEST = 64


def words(text: str) -> list[str]:
    """The words of `text` in order, whatever their case, accents and width; of a long one the first 64 characters."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    plain = "".join(character for character in folded if not unicodedata.combining(character))
    return [part[:_LONGEST] for word in _WORD.findall(plain) for part in _PART.findall(word)]


class TextFields:
    """Reads of a message what the text index of its collection holds."""

    def __init__(self, spec: CollectionSpec[Any], text: TextIndex) -> None:
        """Finds the fields.

        Raises:
            ValueError: one does not exist, or is no text.
        """
        descriptor = cast(Descriptor, spec.message.DESCRIPTOR)
        self.within = indexed_field(descriptor, text.within).read
        self._paths = [_steps(descriptor, path) for path in text.fields]

    def words(self, message: Message) -> list[list[str]]:
        """The words of each field, in the order of the declaration."""
        return [[word for text in _texts(message, path) for word in words(text)] for path in self._paths]


def _steps(descriptor: Descriptor, path: str) -> list[FieldDescriptor]:
    steps: list[FieldDescriptor] = []
    holder: Descriptor | None = descriptor
    for name in path.split("."):
        field = holder.fields_by_name.get(name) if holder is not None else None
        if field is None:
            raise ValueError(f"{descriptor.full_name}: {path}: there is no field {name}")
        steps.append(field)
        holder = field.message_type
        if holder is not None and _is_map(field):
            holder = holder.fields_by_name["value"].message_type
    if steps[-1].type != FieldDescriptor.TYPE_STRING:
        raise ValueError(f"{descriptor.full_name}: {path}: is no text")
    return steps


def _texts(value: Any, steps: Sequence[FieldDescriptor]) -> Iterator[str]:
    step, *rest = steps
    found = getattr(value, step.name)
    values = found.values() if _is_map(step) else found if step.is_repeated else (found,)
    for one in values:
        if rest:
            yield from _texts(one, rest)
        elif one:
            yield one


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry
