"""A stream that breaks is resumed: the reader sees every token once, whatever happened to the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import product

import pytest
from llmchat.messages.v1 import message_pb2

from libs.client import Answer, Client
from libs.common.errors import DomainError, Exhausted, Precondition, Unavailable
from tests.standins.messages import Cut, How, StandInMessages, serve
from tests.standins.wire import Wire

TOKENS = ["Hello", ", ", "Wörld", " 👩‍🚀", "!"]
EVENTS = 1 + len(TOKENS) + 1  # started, the tokens, ended
TEXT = "".join(TOKENS)
BREAKS = (How.UNAVAILABLE, How.CANCELLED, How.REMOVED, How.CLOSED)


@pytest.fixture
def messages() -> StandInMessages:
    return StandInMessages(TOKENS)  # type: ignore[abstract] # the client asks for no other RPC


@pytest.fixture
async def port(messages: StandInMessages) -> AsyncIterator[int]:
    server, port = await serve(messages)
    yield port
    await server.stop(None)


@pytest.fixture
async def client(port: int) -> AsyncIterator[Client]:
    async with Client(f"127.0.0.1:{port}", patience=5, timeout=5) as client:
        yield client


async def read_to(answer: Answer, *, seq: int) -> None:
    """Reads the tokens up to the one numbered `seq`."""
    async for event in answer:
        if event.seq == seq:
            return


async def test_an_answer_is_started_tokens_ended(client: Client) -> None:
    answer = client.send("thread", "echo", "Hello")

    kinds = [event.WhichOneof("event") async for event in answer]

    assert kinds == ["started", *["tokens"] * len(TOKENS), "ended"]
    assert (answer.message_id, answer.seq, answer.text) == ("answer-1", len(TOKENS), TEXT)
    assert answer.final is not None
    assert answer.final.status == message_pb2.MESSAGE_STATUS_COMPLETE


@pytest.mark.parametrize(
    ("events", "how"),
    [*product(range(EVENTS), BREAKS), *product(range(1, len(TOKENS) + 1), (How.SKIPS, How.REPEATS))],
)
async def test_a_stream_that_goes_wrong_at_any_event_in_any_way_is_whole(
    client: Client, messages: StandInMessages, events: int, how: How
) -> None:
    messages.cuts = [Cut(events, how)]
    answer = client.send("thread", "echo", "Hello")

    seen = [event async for event in answer]

    assert [token for event in seen for token in event.tokens.tokens] == TOKENS
    assert [event.WhichOneof("event") for event in seen].count("started") == 1
    assert seen[-1].WhichOneof("event") == "ended"
    assert len(messages.answers) == 1


async def test_a_stream_broken_after_every_single_event_is_whole(client: Client, messages: StandInMessages) -> None:
    # Each opening tells `started` and one event more, then breaks; the last one tells `ended` and closes.
    messages.cuts = [Cut(2, How.UNAVAILABLE) for _ in TOKENS]
    answer = client.send("thread", "echo", "Hello")

    tokens = [token async for token in answer.tokens()]

    assert tokens == TOKENS
    assert messages.resumes == list(range(1, len(TOKENS) + 1))
    assert answer.reopened == len(TOKENS)


async def test_a_send_broken_before_the_answer_has_an_id_is_repeated_with_the_same_request_id(
    client: Client, messages: StandInMessages
) -> None:
    messages.cuts = [Cut(0, How.UNAVAILABLE), Cut(0, How.REMOVED)]

    await client.send("thread", "echo", "Hello").read()

    assert len(messages.sends) == 3
    assert len({request.request_id for request in messages.sends}) == 1
    assert messages.sends[0].request_id
    assert len(messages.questions) == 1


async def test_a_broken_stream_that_meets_a_limit_waits_as_it_is_told(
    client: Client, messages: StandInMessages
) -> None:
    messages.cuts = [Cut(2, How.UNAVAILABLE), Cut(0, How.LIMITED), Cut(0, How.LIMITED)]
    answer = client.send("thread", "echo", "Hello")

    assert [token async for token in answer.tokens()] == TOKENS


async def test_a_send_that_meets_a_limit_is_refused_at_once(client: Client, messages: StandInMessages) -> None:
    messages.cuts = [Cut(0, How.LIMITED)]

    with pytest.raises(Exhausted) as refused:
        await client.send("thread", "echo", "Hello").read()
    assert refused.value.retry_after == 0.05


async def test_a_cut_wire_is_resumed(port: int, messages: StandInMessages) -> None:
    messages.holds_after = 3
    async with Wire(port) as wire, Client(f"127.0.0.1:{wire.port}", patience=10) as client:
        answer = client.send("thread", "echo", "Hello")
        tokens: list[str] = []
        async for event in answer:
            tokens += event.tokens.tokens
            if event.seq in (1, 2) and event.tokens.tokens:
                wire.cut()
            if event.seq == 3:
                messages.answers[answer.message_id].ended.set()

    assert tokens == TOKENS[:3]
    assert messages.resumes


async def test_leaving_and_coming_back_goes_on_where_it_stopped(client: Client, messages: StandInMessages) -> None:
    answer = client.send("thread", "echo", "Hello")
    async for token in answer.tokens():
        if token == TOKENS[1]:
            break

    rest = [token async for token in answer.tokens()]

    assert rest == TOKENS[2:]
    assert not messages.resumes


async def test_another_client_resumes_by_id_and_seq(port: int) -> None:
    async with Client(f"127.0.0.1:{port}") as first:
        answer = first.send("thread", "echo", "Hello")
        await read_to(answer, seq=2)

    async with Client(f"127.0.0.1:{port}") as second:
        rest = second.resume(answer.message_id, answer.seq)
        await rest.read()

    assert answer.text + rest.text == TEXT


async def test_a_reader_who_is_cancelled_may_read_on(client: Client, messages: StandInMessages) -> None:
    messages.holds_after = 2
    answer = client.send("thread", "echo", "Hello")
    await read_to(answer, seq=2)
    reader = asyncio.create_task(answer.read())
    await asyncio.sleep(0)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    messages.answers[answer.message_id].ended.set()

    await answer.read()

    assert answer.text == "".join(TOKENS[:2])


async def test_cancel_keeps_what_is_written_and_ends_the_stream(client: Client, messages: StandInMessages) -> None:
    messages.holds_after = 2
    answer = client.send("thread", "echo", "Hello")
    reader = asyncio.create_task(answer.read())

    await answer.cancel()
    final = await reader

    assert final.status == message_pb2.MESSAGE_STATUS_CANCELLED
    assert answer.text == "".join(TOKENS[:2])


async def test_a_server_that_stays_away_is_given_up_after_the_patience_and_the_answer_is_not_lost() -> None:
    messages = StandInMessages(TOKENS)  # type: ignore[abstract] # the client asks for no other RPC
    messages.holds_after = 2
    server, port = await serve(messages)
    async with Client(f"127.0.0.1:{port}", patience=0.3) as client:
        answer = client.send("thread", "echo", "Hello")
        await read_to(answer, seq=2)
        await server.stop(None)
        with pytest.raises(Unavailable):
            await answer.read()

        server, _ = await serve(messages, f"127.0.0.1:{port}")
        messages.answers[answer.message_id].ended.set()
        await answer.read()
        await server.stop(None)

    assert answer.text == "".join(TOKENS[:2])


async def test_a_refusal_is_raised_at_once(client: Client, messages: StandInMessages) -> None:
    with pytest.raises(DomainError):
        await client.resume("unknown").read()

    assert len(messages.resumes) == 1


async def test_closing_the_client_under_a_reader_is_told_as_such(client: Client, messages: StandInMessages) -> None:
    messages.holds_after = 1
    answer = client.send("thread", "echo", "Hello")
    await read_to(answer, seq=1)
    reader = asyncio.create_task(answer.read())
    await asyncio.sleep(0)

    await client.close()

    with pytest.raises(Precondition, match="closed"):
        await reader
