"""When a follower's channels stand: told, answered, left and followed again."""

from __future__ import annotations

from libs.common.events.bus import GAP, Delivery, Gap
from libs.common.events.followers import Followers


async def test_a_follower_is_confirmed_when_all_of_its_channels_are() -> None:
    followers = Followers()
    follower = followers.add(print, "a", "b")
    assert followers.changes() == (["a", "b"], [])
    followers.answered("a")
    assert not follower.confirmed.done()
    followers.answered("b")
    assert follower.confirmed.done()


async def test_who_follows_a_standing_channel_is_confirmed_at_once() -> None:
    followers = Followers()
    followers.add(print, "a")
    followers.changes()
    followers.answered("a")
    assert followers.add(print, "a").confirmed.done()
    assert not followers.changed.is_set()


async def test_who_follows_a_channel_that_does_not_stand_yet_waits_for_the_same_answer() -> None:
    followers = Followers()
    followers.add(print, "a")
    followers.changes()
    second = followers.add(print, "a")
    assert not second.confirmed.done()
    followers.answered("a")
    assert second.confirmed.done()


async def test_a_channel_left_and_followed_again_stands_with_the_last_answer() -> None:
    followers = Followers()
    first = followers.add(print, "a")
    assert followers.changes() == (["a"], [])
    followers.remove(first)
    assert followers.changes() == ([], ["a"])
    second = followers.add(print, "a")
    assert followers.changes() == (["a"], [])
    followers.answered("a")
    followers.answered("a")
    assert not second.confirmed.done()
    followers.answered("a")
    assert second.confirmed.done()


async def test_what_came_and_went_between_two_changes_is_not_told() -> None:
    followers = Followers()
    followers.remove(followers.add(print, "a"))
    assert followers.changes() == ([], [])


async def test_an_answer_after_the_wait_is_told_as_a_gap() -> None:
    followers, items = Followers(), list[Delivery | Gap]()
    follower = followers.add(items.append, "a")
    followers.changes()
    follower.confirmed.cancel()
    followers.deliver(Delivery("a", b"before it stands"))
    followers.answered("a")
    followers.deliver(Delivery("a", b"after"))
    assert items == [GAP, Delivery("a", b"after")]


async def test_after_a_new_connection_a_follower_of_several_channels_gets_one_gap_before_anything_else() -> None:
    followers, items = Followers(), list[Delivery | Gap]()
    followers.add(items.append, "a", "b")
    followers.changes()
    followers.answered("a")
    followers.answered("b")

    followers.disconnected()
    assert followers.changes() == (["a", "b"], [])
    followers.answered("a")
    followers.deliver(Delivery("a", b"while b is not there"))
    followers.answered("b")
    followers.deliver(Delivery("b", b"after"))
    assert items == [GAP, Delivery("b", b"after")]


async def test_a_gap_is_told_to_those_it_concerns_once() -> None:
    followers = Followers()
    of_a, of_both = list[Delivery | Gap](), list[Delivery | Gap]()
    followers.add(of_a.append, "a")
    followers.add(of_both.append, "a", "b")
    followers.changes()
    followers.answered("a")
    followers.answered("b")
    followers.tell_gap("b")
    assert (of_a, of_both) == ([], [GAP])
    followers.tell_gap(None)
    assert (of_a, of_both) == ([GAP], [GAP, GAP])
    followers.tell_gap("nobody's")
