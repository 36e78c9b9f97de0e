"""What waits to be published: in order, bounded, and with a word about everything that was lost."""

from __future__ import annotations

import pytest

from libs.common.events.bus import Delivery
from libs.common.events.outgoing import GAPS, Outgoing

FIRST, SECOND = Delivery("a", b"first"), Delivery("b", b"second")


def gap(channel: str) -> Delivery:
    return Delivery(GAPS, channel.encode())


@pytest.fixture
def outgoing() -> Outgoing:
    """An open one."""
    outgoing = Outgoing(most_bytes=1_000_000)
    outgoing.open()
    return outgoing


async def test_what_is_put_is_taken_in_order_and_together(outgoing: Outgoing) -> None:
    outgoing.put(FIRST)
    outgoing.put(SECOND)
    assert outgoing.filled.is_set()
    assert outgoing.take() == [FIRST, SECOND]
    assert not outgoing.filled.is_set()
    assert not outgoing.idle.is_set()
    outgoing.sent()
    assert outgoing.idle.is_set()


async def test_much_is_taken_in_parts(outgoing: Outgoing) -> None:
    for _ in range(5):
        outgoing.put(Delivery("a", bytes(100_000)))
    assert len(outgoing.take()) == 3
    outgoing.sent()
    assert outgoing.filled.is_set()
    assert not outgoing.idle.is_set()


async def test_where_it_is_full_the_newest_stay_and_a_gap_goes_before_them() -> None:
    outgoing = Outgoing(most_bytes=1000)
    outgoing.open()
    for number in range(10):
        outgoing.put(Delivery("a", b"%d" % number))
    assert outgoing.take() == [gap("a"), Delivery("a", b"7"), Delivery("a", b"8"), Delivery("a", b"9")]


async def test_what_waits_when_it_is_closed_and_what_comes_then_is_lost(outgoing: Outgoing) -> None:
    outgoing.put(FIRST)
    outgoing.close()
    assert not outgoing.filled.is_set()
    outgoing.put(SECOND)
    assert not outgoing.filled.is_set()
    outgoing.open()
    assert outgoing.filled.is_set()
    assert outgoing.take() == [gap("a"), gap("b")]


async def test_a_gap_that_was_lost_itself_is_told_again(outgoing: Outgoing) -> None:
    outgoing.lose([FIRST])
    outgoing.lose(outgoing.take())
    assert outgoing.take() == [gap("a")]


async def test_too_many_channels_to_name_are_named_as_all(outgoing: Outgoing) -> None:
    outgoing.lose([Delivery(f"a.{number}", b"") for number in range(1001)])
    outgoing.lose([SECOND])
    assert outgoing.take() == [gap("")]


async def test_what_is_put_first_passes_what_waits(outgoing: Outgoing) -> None:
    outgoing.put(FIRST)
    outgoing.put_first(SECOND)
    assert outgoing.take() == [SECOND, FIRST]
