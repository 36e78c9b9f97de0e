"""A message as HTML, where that is asked for: code survives, and nothing in it can do anything."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from llmchat.catalog.v1.catalog_service_pb2 import GetModelRequest
from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_COMPLETE, ROLE_USER, Message
from llmchat.messages.v1.messages_service_pb2 import (
    TEXT_FORMAT_HTML,
    GetMessageRequest,
    ListMessagesRequest,
    SendMessageRequest,
)
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest

from services.messages.collections import CONVERSATIONS, MESSAGES
from services.messages.rendering import HtmlRenderer
from tests.integration.conftest import House, Person
from tests.integration.planting import plant
from tests.integration.watching import watch

CODE = """Here it is:

```cpp
std::vector<int> xs;  // a < b && c > d
if (xs.empty()) { alert("<script>"); }
```

| a | b |
|---|---|
| `x<y>` | ~~no~~ **yes** |

See [the manual](https://example.org/?a=1&b=2 "The manual").
"""

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=javascript:alert(1)>",
    "<embed src=javascript:alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href='java\tscript:alert(1)'>x</a>",
    "<body onload=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<select autofocus onfocus=alert(1)>",
    "<marquee onstart=alert(1)>",
    "<video><source onerror=alert(1)>",
    "<audio src=x onerror=alert(1)>",
    "<form action=javascript:alert(1)><input type=submit>",
    "<isindex type=image src=1 onerror=alert(1)>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<link rel=stylesheet href=javascript:alert(1)>",
    "<base href=javascript:alert(1)//>",
    "<style>@import 'javascript:alert(1)';</style>",
    "<div style='background:url(javascript:alert(1))'>x</div>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><script>alert(1)</script></template>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<!--><script>alert(1)</script>-->",
    "<!-- --!><img src=x onerror=alert(1)> -->",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<<script>alert(1)//<</script>",
    '<img """><script>alert(1)</script>">',
    "<a\nhref\n=\njavascript:alert(1)>x</a>",
    "<x onclick=alert(1)>click",
    "<button formaction=javascript:alert(1)>x",
    "<a href=data:text/html,<script>alert(1)</script>>x</a>",
    "<a href='&#106;avascript:alert(1)'>x</a>",
    "<a href=vbscript:msgbox(1)>x</a>",
    "<p style=position:fixed;inset:0>over everything</p>",
    "<a href=https://example.org target=_blank rel=opener>x</a>",
    "<code class='language-x onmouseover=alert(1)'>x</code>",
    "<code class=admin-badge>x</code>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java&Tab;script:alert(1))",
    "[x](java&NewLine;script:alert(1))",
    "[x](&#x6A;avascript:alert(1))",
    "[x](\\javascript:alert(1))",
    "[x](  javascript:alert(1))",
    "[x](<javascript:alert(1)>)",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](data:image/svg+xml,<svg onload=alert(1)>)",
    "[x](vbscript:msgbox(1))",
    "[x](file:///etc/passwd)",
    "[x](blob:https://example.org/1)",
    '[x](https://example.org"onmouseover="alert(1))',
    "[x](https://example.org 'a\" onmouseover=\"alert(1)')",
    "[x][1]\n\n[1]: javascript:alert(1)",
    "[x]: javascript:alert(1)\n\n[x]",
    "<javascript:alert(1)>",
    "<data:text/html,x>",
    "![x](javascript:alert(1))",
    "![x](https://example.org/spy.png)",
    '![x](x"onerror="alert(1))',
    "![<script>alert(1)</script>](x)",
    "[<img src=x onerror=alert(1)>](https://example.org)",
    "``<script>alert(1)</script>``",
    "```\n</code></pre><script>alert(1)</script>\n```",
    '```js" onmouseover="alert(1)\nx\n```',
    '```"><img src=x onerror=alert(1)>\nx\n```',
    "~~~<script>\nx\n~~~",
    "    <script>alert(1)</script>",
    "# <script>alert(1)</script>",
    "> <script>alert(1)</script>",
    "| <img src=x onerror=alert(1)> |\n|---|\n| <svg onload=alert(1)> |",
    '|a|\n|:-:" onmouseover=alert(1)|\n|b|',
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "\u2028<script>alert(1)</script>\u2029",
    "\uff1cscript\uff1ealert(1)\uff1c/script\uff1e",
    "<\u200bscript>alert(1)</\u200bscript>",
    "<ſcript>alert(1)</ſcript>",
    "[x](https://example.org/\u202egpj.exe)",
]


class Seen(HTMLParser):
    """What a browser would make elements of."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.elements.append(("comment", {}))

    def handle_decl(self, decl: str) -> None:
        self.elements.append(("declaration", {}))

    def unknown_decl(self, data: str) -> None:
        self.elements.append(("declaration", {}))

    @property
    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}


HARMLESS = {"p", "br", "hr", "h1", "strong", "em", "s", "blockquote", "ul", "ol", "li", "code", "pre", "a"}
HARMLESS |= {"table", "thead", "tbody", "tr", "th", "td"}


def faults(html: str) -> Iterator[str]:
    """What is in it that could do something."""
    for tag, attributes in Seen(html).elements:
        if tag not in HARMLESS:
            yield f"<{tag}>"
        for name, value in attributes.items():
            allowed = {"a": {"href", "title", "rel"}, "code": {"class"}, "ol": {"start"}}.get(tag, set())
            if name not in allowed:
                yield f"<{tag} {name}>"
            if name == "href" and urlsplit(value or "").scheme not in ("", "http", "https", "mailto"):
                yield f"href={value}"
            if name == "class" and not (value or "").startswith("language-"):
                yield f"class={value}"
        if tag == "a" and "href" in attributes and attributes.get("rel") != "noopener noreferrer":
            yield "a link without rel"


@pytest.mark.parametrize("text", ATTACKS)
def test_nothing_that_a_text_holds_can_do_anything(text: str) -> None:
    renderer = HtmlRenderer()

    assert list(faults(renderer.render(text))) == []
    assert list(faults(renderer.render(f"So **it** is: {text}\n\n- {text}\n\n1. {text}"))) == []


def test_code_and_tables_survive() -> None:
    seen = Seen(HtmlRenderer().render(CODE))

    assert 'std::vector<int> xs;  // a < b && c > d\nif (xs.empty()) { alert("<script>"); }\n' in seen.text
    assert ("code", {"class": "language-cpp"}) in seen.elements
    assert {"table", "th", "td", "s", "strong", "pre"} <= seen.tags
    link = {"href": "https://example.org/?a=1&b=2", "title": "The manual", "rel": "noopener noreferrer"}
    assert ("a", link) in seen.elements


def test_what_is_html_in_a_text_is_shown_as_text() -> None:
    seen = Seen(HtmlRenderer().render("a <b>bold</b> word & vector<int>"))

    assert seen.text.strip() == "a <b>bold</b> word & vector<int>"
    assert seen.tags == {"p"}


def test_an_image_is_a_link_that_nobody_follows_by_looking() -> None:
    seen = Seen(HtmlRenderer().render("![a cat](https://example.org/cat.png)"))

    assert seen.tags == {"p", "a"}


@pytest.mark.parametrize(
    "text",
    [
        f"[a]: {'x' * 50_000}\n\n{'[a]' * 16_000}",
        f"[a]: b '{'x' * 50_000}'\n\n{'[a] ' * 12_000}",
        "a|" * 12_000 + "\n" + "-|" * 12_000 + "\n" + "x\n" * 25_000,
        "a|b|c|d\n-|-|-|-\n" + "x\n" * 45_000,
        "|a|\n|-|\n\n" * 10_000,
        "[" * 100_000,
        "*" * 100_000,
        "**a" * 33_000,
        "`" * 99_999,
        "<a@b.c>__    ![" * 6_600,
        "> " * 90 + "a\n" + "b\n" * 9_000,
        "&" * 100_000,
        "\u2028\u3000\n" * 30_000,
    ],
    ids=lambda text: repr(text[:20]),
)
def test_no_text_becomes_far_more_html_than_it_is_long(text: str) -> None:
    assert len(HtmlRenderer().render(text)) <= 20 * len(text)


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"{'  ' * depth}- level {depth}\n" for depth in range(30)),
        "> " * 30 + "level 29",
        "**so** " * 20_000 + "level 29",
    ],
    ids=["lists", "quotes", "long"],
)
def test_a_text_that_is_too_deep_or_too_long_is_shown_as_it_is(text: str) -> None:
    seen = Seen(HtmlRenderer().render(text))

    assert seen.tags == {"pre"}
    assert seen.text == text


def test_lists_in_lists_survive() -> None:
    seen = Seen(HtmlRenderer().render("".join(f"{'  ' * depth}- level {depth}\n" for depth in range(8))))

    assert [tag for tag, _ in seen.elements].count("ul") == 8
    assert "level 7" in seen.text


async def test_others_are_answered_while_a_long_text_is_rendered(house: House, anna: Person) -> None:
    thread = await anna.threads.CreateThread(CreateThreadRequest())
    long = SendMessageRequest(thread_id=thread.id, model_id="echo", content="- *so* [it](x) `goes` on\n" * 4_000)
    sent = await watch(anna.messages.SendMessage(long))
    assert sent.ended is not None
    question = sent.ended.question_id

    async def render() -> Message:
        return await anna.messages.GetMessage(GetMessageRequest(id=question, format=TEXT_FORMAT_HTML))

    rendering, answered = asyncio.create_task(render()), 0
    while not rendering.done():
        await anna.catalog.GetModel(GetModelRequest(id="echo"))
        answered += 1

    assert answered > 5
    assert (await rendering).html.count("<li>") == 4_000


async def test_a_message_is_html_where_that_is_asked_for_and_stored_as_it_was_written(
    house: House, anna: Person
) -> None:
    thread = await anna.threads.CreateThread(CreateThreadRequest())
    sent = await watch(
        anna.messages.SendMessage(SendMessageRequest(thread_id=thread.id, model_id="echo", content=CODE))
    )

    plain = await anna.messages.GetMessage(GetMessageRequest(id=sent.message_id))
    shown = await anna.messages.GetMessage(GetMessageRequest(id=sent.message_id, format=TEXT_FORMAT_HTML))
    listed = await anna.messages.ListMessages(ListMessagesRequest(thread_id=thread.id, format=TEXT_FORMAT_HTML))
    again = await anna.messages.ListMessages(ListMessagesRequest(thread_id=thread.id))

    assert not plain.html
    assert plain.tokens.text == CODE
    assert 'class="language-cpp"' in shown.html
    assert [message.html for message in listed.messages] == [shown.html, shown.html]
    assert [message.html for message in again.messages] == ["", ""]
    shown.ClearField("html")
    assert shown == plain


async def test_a_page_of_long_messages_fits_into_an_answer(house: House, anna: Person) -> None:
    thread = await anna.threads.CreateThread(CreateThreadRequest())
    conversation = CONVERSATIONS.message(id=thread.id, user_id=anna.user_id, last_position=12)
    await plant(house, "messages", CONVERSATIONS, conversation)
    long = [
        Message(
            id=f"msg_{place}",
            thread_id=thread.id,
            user_id=anna.user_id,
            role=ROLE_USER,
            status=MESSAGE_STATUS_COMPLETE,
            # Each becomes five.
            content="&" * 100_000,
            position=place,
        )
        for place in range(1, 13)
    ]
    await plant(house, "messages", MESSAGES, *long)

    seen, token = 0, ""
    while True:
        request = ListMessagesRequest(thread_id=thread.id, format=TEXT_FORMAT_HTML, oldest_first=True, page_token=token)
        page = await anna.messages.ListMessages(request)
        assert all(len(message.html) > 500_000 for message in page.messages)
        seen += len(page.messages)
        token = page.next_page_token
        if not token:
            break

    assert seen == len(long)
