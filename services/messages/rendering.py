"""A message's text as HTML that is safe to show: Markdown rendered, then cleaned by an allow-list.

The text itself is never touched: what is stored is what was written.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

import nh3
from llmchat.messages.v1.message_pb2 import Message
from markdown_it import MarkdownIt

from services.messages.rules import text_of

_TAGS = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6"),
    *("strong", "em", "s", "blockquote", "ul", "ol", "li", "code", "pre", "a"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
_ATTRIBUTES = {"a": {"href", "title"}, "code": {"class"}, "ol": {"start"}}
_SCHEMES = {"http", "https", "mailto"}
_LANGUAGE = re.compile(r"language-[A-Za-z0-9+#._-]{1,30}").fullmatch


class HtmlRenderer:
    """CommonMark with tables and strikethrough. HTML in the text is shown as text, and so is an image, as a link.

    An image would tell whoever serves it that it is looked at.
    """

    def __init__(self) -> None:
        # As deep as anybody writes: what is deeper is left out of what is rendered.
        self._markdown = MarkdownIt("commonmark", {"html": False, "maxNesting": 100})
        self._markdown.enable(["table", "strikethrough"]).disable("image")

    async def add_html(self, messages: Sequence[Message]) -> None:
        """Sets `html` in each; off the event loop, since a long text takes a second."""
        rendered = await asyncio.to_thread(lambda: [self.render(text_of(message)) for message in messages])
        for message, html in zip(messages, rendered, strict=True):
            message.html = html

    def render(self, text: str) -> str:
        """HTML of tags and attributes that can do nothing; links lead to http, https and mailto alone."""
        return nh3.clean(
            self._markdown.render(text),
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
