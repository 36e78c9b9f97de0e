"""A message's text as HTML that is safe to show: Markdown rendered, then cleaned by an allow-list.

The text itself is never touched: what is stored is what was written.
"""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Sequence
from typing import Any

import nh3
from llmchat.messages.v1.message_pb2 import Message
from markdown_it import MarkdownIt
from markdown_it.token import Token

from services.messages.rules import text_of

_TAGS = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6"),
    *("strong", "em", "s", "blockquote", "ul", "ol", "li", "code", "pre", "a"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
_ATTRIBUTES = {"a": {"href", "title"}, "code": {"class"}, "ol": {"start"}}
_SCHEMES = {"http", "https", "mailto"}
_LANGUAGE = re.compile(r"language-[A-Za-z0-9+#._-]{1,30}").fullmatch
_LINE_BREAK = re.compile(r"\r\n?|\n")

# Characters: as many as a question may have. Rendering takes about 3 microseconds for each, and 25 at worst.
_LONGEST = 100_000
# Levels, of which a list in a list takes two: the parser leaves out what is deeper, and its time grows with them.
_DEEPEST = 20
# Cells that a short text may have; a longer one has two characters for each.
_FEW_CELLS = 100
# Characters of links that a short text may have; a longer one four times its length: what one line defines may be
# referred to by thousands.
_SHORT_LINKS = 1000


class HtmlRenderer:
    """CommonMark with tables and strikethrough. HTML in the text is shown as text, and so is an image, as a link.

    An image would tell whoever serves it that it is looked at. A text that is longer than a question may be, that nests
    deeper than anybody writes, or whose tables or links would become far larger than itself is shown as it is: so what
    it costs is bounded by its length, and its HTML is at most twenty times as long.
    """

    def __init__(self) -> None:
        self._markdown = MarkdownIt("commonmark", {"html": False, "maxNesting": _DEEPEST})
        self._markdown.enable(["table", "strikethrough"]).disable("image")
        self._one_at_a_time = asyncio.Lock()

    async def add_html(self, messages: Sequence[Message]) -> None:
        """Sets `html` in each: off the event loop, in one thread, since any more would slow the loop down further."""
        async with self._one_at_a_time:
            rendered = await asyncio.to_thread(lambda: [self.render(text_of(message)) for message in messages])
        for message, shown in zip(messages, rendered, strict=True):
            message.html = shown

    def render(self, text: str) -> str:
        """HTML of tags and attributes that can do nothing; links lead to http, https and mailto alone."""
        if len(text) > _LONGEST or _cells(text) > len(text) / 2 + _FEW_CELLS:
            return _as_it_is(text)
        environment: dict[str, Any] = {}
        tokens = self._markdown.parse(text, environment)
        if any(token.level >= _DEEPEST - 1 for token in tokens) or _links(tokens) > 4 * len(text) + _SHORT_LINKS:
            return _as_it_is(text)
        return nh3.clean(
            self._markdown.renderer.render(tokens, self._markdown.options, environment),
            tags=_TAGS,
            attributes=_ATTRIBUTES,
            attribute_filter=_allowed,
            url_schemes=_SCHEMES,
            link_rel="noopener noreferrer",
        )


def _allowed(tag: str, attribute: str, value: str) -> str | None:
    """Of classes that of a code block's language alone."""
    if attribute == "class":
        return value if _LANGUAGE(value) else None
    return value


def _as_it_is(text: str) -> str:
    return f"<pre>{html.escape(text)}</pre>"


def _links(tokens: Sequence[Token]) -> int:
    """How many characters the links have, with their titles."""
    within = (child for token in tokens for child in token.children or () if child.attrs)
    return sum(len(str(value)) for child in within for value in child.attrs.values())


def _cells(text: str) -> int:
    """How many cells the tables of a text have at most: every row is filled up to the columns of its head.

    A table reaches from the line of dashes under its head to the next empty line, or less far.
    """
    cells = rows = 0
    for line in reversed(_LINE_BREAK.split(text)):
        rows = rows + 1 if line.strip(" \t") else 0
        if "-" in line and not line.strip("|:- \t>"):
            cells += rows * (line.count("|") + 1)
    return cells
