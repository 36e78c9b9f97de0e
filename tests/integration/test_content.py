"""What is written is stored as it was written, to the last character; what is no text is refused."""

from __future__ import annotations

import random

import pytest
from grpc import StatusCode, aio
from llmchat.messages.v1.messages_service_pb2 import GetMessageRequest, ListMessagesRequest, SendMessageRequest
from llmchat.threads.v1.thread_pb2 import Thread, ThreadSettings
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, UpdateThreadRequest

from libs.common.rpc.status import from_rpc_error
from tests.integration.calling import refused
from tests.integration.conftest import House, Person
from tests.integration.watching import watch

SEND = "/llmchat.messages.v1.MessagesService/SendMessage"
CONTENTS = [
    "std::vector<int> v{1, 2};\n\tif (a < b && c > d) { return &v; }",
    "<script>alert('as text')</script><!-- not a comment --> &amp; &lt;",
    "line\r\nline\rline\nline\u2028line\u2029line",
    "  \t leading and trailing \n\n\n",
    "\n",
    " ",
    "e\u0301 is not \u00e9, \u212b is not \u00c5, \ufb01 is not fi",
    "👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 👍🏽",
    "\u202eright to left\u202c \u200b\u200d\ufeff",
    "日本語 العربية עברית हिन्दी ไทย",
    "\"quotes\" 'quotes' `ticks` \\backslashes\\ %s {0} $HOME '; DROP TABLE messages; --",
    "\U0010fffd\U000f0000\ue000",
]
ALPHABETS = [
    "\t\n\r ",
    "<>&\"'`*_[](){}\\",
    *(
        "".join(map(chr, range(*of)))
        for of in ((32, 127), (160, 768), (768, 880), (0x4E00, 0x9FFF), (0x1F300, 0x1FAFF))
    ),
]


def anything(seed: int) -> str:
    """Up to 500 characters of any kind that a text may hold."""
    chance = random.Random(seed)  # noqa: S311 # repeatable
    return "".join(chance.choice(chance.choice(ALPHABETS)) for _ in range(chance.randint(1, 500)))


async def thread_of(person: Person) -> str:
    return (await person.threads.CreateThread(CreateThreadRequest())).id


@pytest.mark.parametrize(
    "contents", [CONTENTS, [anything(seed) for seed in range(30)], ["x" * 100_000, "🙂" * 100_000]], ids=len
)
async def test_content_is_stored_as_it_was_written_and_so_is_its_echo(anna: Person, contents: list[str]) -> None:
    thread_id = await thread_of(anna)

    for content in contents[:30]:
        seen = await watch(
            anna.messages.SendMessage(SendMessageRequest(thread_id=thread_id, model_id="echo", content=content))
        )
        assert seen.ended is not None
        question = await anna.messages.GetMessage(GetMessageRequest(id=seen.ended.question_id))
        answer = await anna.messages.GetMessage(GetMessageRequest(id=seen.message_id))
        assert question.content == content
        assert answer.tokens.text == seen.text
        page = await anna.messages.ListMessages(ListMessagesRequest(thread_id=thread_id, page_size=2))
        assert [message.content or message.tokens.text for message in page.messages] == [seen.text, content]


async def test_a_text_may_hold_no_control_character(anna: Person) -> None:
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await watch(
            anna.messages.SendMessage(SendMessageRequest(thread_id="t", model_id="echo", content="a\x1b[31mred"))
        )

    assert refusal.fields == {"content"}
    assert "red" not in refusal.error.text


async def test_a_title_is_one_line(anna: Person) -> None:
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        settings = ThreadSettings(tags=["fine", "not\nfine"])
        await anna.threads.CreateThread(CreateThreadRequest(title="one\ntwo", settings=settings))

    assert refusal.fields == {"title", "settings.tags[1]"}


@pytest.mark.parametrize("system_prompt", ["x" * 2000, "🙂" * 2000, "Line one.\n\tLine two.\r\n"])
async def test_a_system_prompt_has_up_to_2000_characters_in_any_lines(anna: Person, system_prompt: str) -> None:
    request = SendMessageRequest(
        thread_id=await thread_of(anna), model_id="echo", content="hello", system_prompt=system_prompt
    )

    seen = await watch(anna.messages.SendMessage(request))

    assert (await anna.messages.GetMessage(GetMessageRequest(id=seen.message_id))).system_prompt == system_prompt


@pytest.mark.parametrize(
    "body",
    [
        b"\x1a\x02\xc3\x28",  # an overlong start without its rest
        b"\x1a\x02\xc0\x80",  # zero in two bytes
        b"\x1a\x03\xed\xa0\x80",  # a surrogate
        b"\x1a\x04\xf4\x90\x80\x80",  # beyond the last character
        b"\x1a\x01\xff",
        b"\x1a\x7fshort",  # cut off
        b"\xff\xff\xff",
        b"\x07",  # a wire type that does not exist
    ],
)
async def test_what_is_no_utf8_or_no_message_is_the_callers_error(house: House, body: bytes) -> None:
    token = house.process.tokens.issue_user("user_anna", False)[0]
    async with aio.insecure_channel(house.address) as channel:
        send: aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(SEND)

        with pytest.raises(aio.AioRpcError) as caught:
            await send(body, metadata=(("authorization", f"Bearer {token}"),)).read()

    assert caught.value.code() is StatusCode.INVALID_ARGUMENT
    assert from_rpc_error(caught.value).reason == "MALFORMED_REQUEST"


async def test_fields_that_nobody_declared_are_not_stored(house: House, anna: Person) -> None:
    thread = await anna.threads.CreateThread(CreateThreadRequest(title="t"))
    smuggled = _with_unknown(ThreadSettings(is_pinned=True), b"smuggled" * 1000)

    update = UpdateThreadRequest(thread=Thread(id=thread.id, settings=smuggled), update_mask={"paths": ["settings"]})
    updated = await anna.threads.UpdateThread(update)

    assert updated.settings.is_pinned
    assert b"smuggled" not in updated.SerializeToString()


def _with_unknown(settings: ThreadSettings, value: bytes) -> ThreadSettings:
    """The settings with a field 900 of bytes behind them, as a client of other protos might send."""
    number = (900 << 3) | 2
    tag = bytes((number & 0x7F | 0x80, number >> 7))
    length = bytes((len(value) & 0x7F | 0x80, len(value) >> 7))
    return ThreadSettings.FromString(settings.SerializeToString() + tag + length + value)
