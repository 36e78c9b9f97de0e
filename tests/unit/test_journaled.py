"""The journal: what each write leaves there, and that `before` is exact when writers race."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest
from google.protobuf.descriptor import Descriptor
from llmchat.messages.v1.message_pb2 import Message
from llmchat.store.v1.journal_pb2 import JournalEntry
from llmchat.store.v1.lease_pb2 import Lease
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.users.stored.v1.user_pb2 import ProviderKey, UserRecord

from libs.common.context import Call, Caller, enter_call
from libs.common.errors import Conflict
from libs.common.redaction import holds, is_unjournaled
from libs.common.store.decorators.journaled import JOURNAL, Journaled
from libs.common.store.hlc import HybridClock
from libs.common.store.memory import MemoryStore
from libs.common.store.port import CollectionSpec, Delete, Put, Query, Store, Write

THREADS = CollectionSpec("threads", Thread)
LEASES = CollectionSpec("leases", Lease, journaled=False)
USERS = CollectionSpec("users", UserRecord)
SPECS = (THREADS, LEASES, USERS, JOURNAL)
NOW = 1_700_000_000_000


class Still:
    """A clock that a test moves by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


def journaled(store: Store | None = None) -> Journaled:
    return Journaled(store or MemoryStore(SPECS), SPECS, Still())


def put(id: str, title: str, if_revision: int | None = None) -> Put:
    return Put("threads", id, Thread(id=id, title=title), if_revision)


async def journal(store: Store) -> list[JournalEntry]:
    return [stored.message for stored in await store.query(Query.by_id(JOURNAL))]


def title(body: bytes) -> str:
    return Thread.FromString(body).title


async def test_each_write_leaves_what_was_and_what_became() -> None:
    store = journaled()
    await store.commit([put("t", "one", 0)])
    await store.commit([put("t", "two", 1)])
    await store.commit([put("t", "three")])
    await store.commit([Delete("threads", "t", 3)])
    entries = await journal(store)
    assert [(title(entry.before), title(entry.after), entry.revision, entry.deleted) for entry in entries] == [
        ("", "one", 1, False),
        ("one", "two", 2, False),
        ("two", "three", 3, False),
        ("three", "", 3, True),
    ]
    assert {(entry.collection, entry.document_id) for entry in entries} == {("threads", "t")}
    assert entries[0].before == b""
    assert entries[3].after == b""


async def test_an_entry_tells_who_wrote_on_whose_request() -> None:
    enter_call(Call(caller=Caller(user_id="user_7"), request_id="request_9"))
    store = journaled()
    await store.commit([put("t", "one", 0)])
    (entry,) = await journal(store)
    assert (entry.actor, entry.request_id) == ("user_7", "request_9")


async def test_entries_sort_by_id_in_the_order_of_the_writes() -> None:
    store = journaled()
    for number in range(20):
        await store.commit([put(f"a{number}", ""), put(f"b{number}", "")])
    entries = await journal(store)
    written = [name for number in range(20) for name in (f"a{number}", f"b{number}")]
    assert [entry.document_id for entry in entries] == written
    assert all(entry.id.startswith(f"{entry.clock:016x}.") for entry in entries)
    assert {entry.clock >> 16 for entry in entries} == {NOW}


async def test_entries_after_a_restart_sort_after_those_before_even_if_the_clock_went_back() -> None:
    kept, clock = MemoryStore(SPECS), Still()
    await Journaled(kept, SPECS, clock).commit([put("t", "before", 0)])
    clock.now -= 60_000
    await Journaled(kept, SPECS, clock).commit([put("t", "after", 1)])
    assert [title(entry.after) for entry in await journal(kept)] == ["before", "after"]


async def test_what_is_not_journaled_leaves_nothing() -> None:
    store = journaled()
    await store.commit([Put("leases", "l", Lease(), 0)])
    assert await journal(store) == []
    await store.commit([Put("leases", "l", Lease(), 1), put("t", "one", 0)])
    assert [entry.collection for entry in await journal(store)] == ["threads"]


def user(envelope: str) -> UserRecord:
    record = UserRecord(id="u", username="ada@example.org")
    record.api_keys.openai.CopyFrom(ProviderKey(encrypted_key=envelope, key_hash=f"hash of {envelope}", key_id="k"))
    return record


async def test_unjournaled_fields_are_in_no_entry_and_in_the_document_as_before() -> None:
    store = journaled()
    await store.commit([Put("users", "u", user("first"), 0)])
    await store.commit([Put("users", "u", user("second"), 1)])
    stored = await store.get(USERS, "u")
    await store.commit([Delete("users", "u", 2)])

    entries = await journal(store)
    assert stored is not None
    assert stored.message == user("second")
    kept = user("")
    kept.api_keys.openai.ClearField("key_hash")
    expected = kept.SerializeToString()
    assert [(entry.before, entry.after) for entry in entries] == [
        (b"", expected),
        (expected, expected),
        (expected, b""),
    ]
    assert not any(word in entry.SerializeToString() for entry in entries for word in (b"first", b"second"))


@pytest.mark.parametrize(("message", "expected"), [(UserRecord, True), (ProviderKey, True), (Message, False)])
def test_which_messages_are_not_journaled_whole_is_known_beforehand(message: type[Any], expected: bool) -> None:
    # A message of the messages service may hold a Struct, which holds its own kind.
    assert holds(is_unjournaled, cast(Descriptor, message.DESCRIPTOR)) is expected


async def test_deleting_nothing_leaves_nothing() -> None:
    store = journaled()
    await store.commit([Delete("threads", "absent"), Delete("threads", "absent too", 0)])
    assert await journal(store) == []


async def test_a_commit_that_conflicts_leaves_nothing() -> None:
    store = journaled()
    await store.commit([put("t", "one", 0)])
    for write in (put("t", "x", 0), put("t", "x", 7), Delete("threads", "t", 2), put("absent", "x", 1)):
        with pytest.raises(Conflict, match=write.id):
            await store.commit([put("other", "x"), write])
    assert [title(entry.after) for entry in await journal(store)] == ["one"]


class Raced(MemoryStore):
    """Somebody else's write comes between the journal's reading and its commit, as often as `rivals` has one."""

    def __init__(self, rivals: Sequence[Write]) -> None:
        super().__init__(SPECS)
        self.rivals = list(rivals)

    async def commit(self, writes: Sequence[Write]) -> None:
        if self.rivals:
            await super().commit([self.rivals.pop(0)])
        await super().commit(writes)


async def test_before_is_exact_when_another_writer_comes_between() -> None:
    kept = Raced([put("t", "rival")])
    await journaled(kept).commit([put("t", "mine")])
    (entry,) = await journal(kept)
    assert (title(entry.before), title(entry.after), entry.revision) == ("rival", "mine", 2)


async def test_a_deletion_of_what_was_just_created_has_its_entry() -> None:
    kept = Raced([put("t", "rival")])
    await journaled(kept).commit([Delete("threads", "t")])
    (entry,) = await journal(kept)
    assert (title(entry.before), entry.deleted, entry.revision) == ("rival", True, 1)
    assert await kept.get(THREADS, "t") is None


async def test_a_conditional_write_is_not_tried_again() -> None:
    kept = Raced([put("t", "rival")])
    with pytest.raises(Conflict):
        await journaled(kept).commit([put("t", "mine", 0)])
    assert await journal(kept) == []


async def test_an_unconditional_write_gives_up_when_it_always_loses() -> None:
    kept = Raced([put("t", str(number)) for number in range(1000)])
    with pytest.raises(Conflict):
        await journaled(kept).commit([put("t", "mine")])
    assert len(kept.rivals) < 1000


async def test_racing_writers_leave_an_unbroken_chain() -> None:
    store = journaled()
    await asyncio.gather(*(store.commit([put("t", str(number))]) for number in range(8)))
    entries = sorted(await journal(store), key=lambda entry: entry.revision)
    assert [entry.revision for entry in entries] == list(range(1, 9))
    assert [entry.before for entry in entries[1:]] == [entry.after for entry in entries[:-1]]


def test_the_clock_is_above_everything_it_has_given_or_seen() -> None:
    time = Still()
    clock = HybridClock(time)
    first = clock.tick()
    assert first == NOW << 16
    assert clock.tick() == first + 1
    time.now -= 5000
    assert clock.tick() == first + 2
    clock.observe(first + 1000)
    assert clock.tick() == first + 1001
    clock.observe(first)
    time.now = NOW + 1
    assert clock.tick() == NOW + 1 << 16
