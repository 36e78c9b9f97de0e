"""The counts of one process, on a clock that the test moves; what they share with others: tests/conformance."""

from __future__ import annotations

from libs.common.access.counts import InProcessCounts


class HeldClock:
    """Seconds; stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_window_begins_with_the_first_call_after_the_one_before() -> None:
    clock = HeldClock()
    counts = InProcessCounts(clock=clock)
    assert counts.count("ada", 2, 0) == 0
    clock.now += 50
    assert counts.count("ada", 2, 0) == 0
    assert counts.count("ada", 2, 0) == 10

    clock.now += 30
    assert counts.count("ada", 2, 0) == 0
    clock.now += 59
    assert counts.count("ada", 2, 0) == 0
    assert counts.count("ada", 2, 0) == 1


def test_who_is_over_both_limits_waits_for_the_later_window() -> None:
    clock = HeldClock()
    counts = InProcessCounts(clock=clock)
    assert counts.count("ada", 1, 2) == 0
    clock.now += 3580
    assert counts.count("ada", 1, 2) == 0

    assert counts.count("ada", 1, 2) == 60
    clock.now += 30
    assert counts.count("ada", 1, 2) == 30


def test_of_too_many_callers_the_first_are_forgotten() -> None:
    counts = InProcessCounts(capacity=3)
    for who in ("ada", "bob", "cleo", "dan"):
        assert counts.count(who, 1, 0) == 0

    assert [counts.count(who, 1, 0) > 0 for who in ("dan", "cleo", "bob")] == [True] * 3
    assert counts.count("ada", 1, 0) == 0


def test_callers_whose_windows_have_ended_leave_their_room_to_others() -> None:
    clock = HeldClock()
    counts = InProcessCounts(capacity=2, clock=clock)
    counts.count("ada", 1, 0)
    clock.now += 3590
    counts.count("bob", 1, 0)
    clock.now += 10

    counts.count("cleo", 1, 0)

    assert counts.count("bob", 1, 0) > 0, "who came before has ended, and this one has not"
