"""Files of conversations, of whatever format, read and written one conversation at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import IO

import ijson
from llmchat.threads.v1.threads_service_pb2 import (
    CONVERSATION_FORMAT_CHATGPT,
    CONVERSATION_FORMAT_CLAUDE,
    ConversationFormat,
)

from libs.common.errors import Exhausted
from services.threads.formats import chatgpt, claude
from services.threads.formats.conversation import Conversation
from services.threads.formats.fields import garbage

# What an answer can list.
MOST_CONVERSATIONS = 10_000
# Bytes of one conversation, and how many objects and lists it may consist of: a parsed one takes a multiple of these.
_MOST_BYTES = 32 * 2**20
_MOST_VALUES = 1_000_000
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Format:
    """What a format is called in `imported_from`, and how a conversation is read from it and written in it.

    `read` takes a parsed conversation and where it stands; `has_branches` tells whether it holds more than one path.
    """

    name: str
    read: Callable[[object, str], Conversation]
    write: Callable[[Conversation], Iterator[str]]
    has_branches: bool


FORMATS = MappingProxyType[ConversationFormat, Format](
    {
        CONVERSATION_FORMAT_CHATGPT: Format("chatgpt", chatgpt.read, chatgpt.write, has_branches=True),
        CONVERSATION_FORMAT_CLAUDE: Format("claude", claude.read, claude.write, has_branches=False),
    }
)


def read_conversations(file: IO[bytes], format: Format) -> Iterator[Conversation]:
    """The conversations of a file, from its beginning. Each step reads as far as the next one.

    Raises:
        Invalid: the file is not of the format, with where (reason MALFORMED_IMPORT).
        Exhausted: it has too many conversations, or one that is too large (reason IMPORT_TOO_LARGE).
    """
    file.seek(0)
    if file.read(len(_BYTE_ORDER_MARK)) != _BYTE_ORDER_MARK:
        file.seek(0)
    portion = _Portion(file)
    values = ijson.items(portion, "item", use_float=True)
    number = 0
    while True:
        number += 1
        where = f"conversation {number}"
        try:
            value = next(values)
        except StopIteration:
            if not portion.is_list:
                raise garbage("the file", "is not a list of conversations") from None
            return
        except ijson.JSONError:
            raise garbage(where, "is where the file ceases to be JSON") from None
        if number > MOST_CONVERSATIONS:
            raise _too_large(f"a file may have {MOST_CONVERSATIONS} conversations")
        yield format.read(value, where)
        portion.begin()


class _Portion:
    """A file from which no more than one conversation may have is read between two of them."""

    def __init__(self, file: IO[bytes]) -> None:
        self.is_list = False
        self._file = file
        self._has_begun = False
        self.begin()

    def begin(self) -> None:
        """What is read from here on is of the next conversation."""
        self._bytes = self._values = 0

    def read(self, size: int) -> bytes:
        """As a file's."""
        data = self._file.read(size)
        if not self._has_begun and data.strip():
            self._has_begun, self.is_list = True, data.lstrip().startswith(b"[")
        self._bytes += len(data)
        # Those within texts are counted too: few texts have as many.
        self._values += data.count(b"{") + data.count(b"[")
        if self._bytes > _MOST_BYTES:
            raise _too_large(f"a conversation may have {_MOST_BYTES >> 20} MiB")
        if self._values > _MOST_VALUES:
            raise _too_large(f"a conversation may consist of {_MOST_VALUES} objects and lists")
        return data


def _too_large(text: str) -> Exhausted:
    return Exhausted(text, reason="IMPORT_TOO_LARGE")
