"""Hypothesis drives every store and a dictionary side by side; they must never differ."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from operator import itemgetter
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.clock import milliseconds
from libs.common.errors import Conflict
from libs.common.store.port import Cursor, Delete, Put, Query, Write
from tests.conformance.places import DURABLE, PROVIDERS, Place
from tests.conformance.specimens import THREADS, thread
from tests.engines.running import Engines

T = TypeVar("T")

IDS = st.sampled_from(["a", "ab", "a.b", "B", "é", "\uffff", "😀", "%"])
USERS = st.sampled_from(["user_1", "user_2", "ünï"])
TIMES = st.integers(0, 4)
REVISIONS = st.sampled_from([None, None, 0, "current", "current", 1, 2])
# A write before its revision is known: id, the message or None for a deletion, the revision.
Draft = tuple[str, Thread | None, int | str | None]
MESSAGES = st.builds(
    lambda user, at, archived, title: thread("", user=user, at=at, archived=archived, title=title),
    USERS,
    TIMES,
    st.booleans(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
)
DRAFTS = st.lists(st.tuples(IDS, st.none() | MESSAGES, REVISIONS), min_size=1, max_size=5, unique_by=itemgetter(0))


class StoreAgainstDictionary(RuleBasedStateMachine):
    """`model` holds (revision, message) by id."""

    provider: ClassVar[str]
    engines: ClassVar[Engines]

    @initialize()
    def start(self) -> None:
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.place = Place.of(self.provider, Path(self.folder.name), self.engines)
        self.store = self.run(self.place.open())
        self.model: dict[str, tuple[int, Thread]] = {}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @rule(drafts=DRAFTS)
    def commit(self, drafts: list[Draft]) -> None:
        writes = [self.write(*draft) for draft in drafts]
        first = next((write.id for write in writes if self.refuses(write)), None)
        if first is not None:
            with pytest.raises(Conflict) as conflict:
                self.run(self.store.commit(writes))
            assert conflict.value.id == first
            return
        self.run(self.store.commit(writes))
        self.apply(writes)

    @rule(first=DRAFTS, second=DRAFTS)
    def commit_together(self, first: list[Draft], second: list[Draft]) -> None:
        """Two unconditional commits at once, on documents of their own: both are stored."""
        taken = {id for id, _, _ in first}
        drafts = [(id, message, None) for id, message, _ in [*first, *(d for d in second if d[0] not in taken)]]
        writes = [self.write(*draft) for draft in drafts]

        async def both() -> None:
            await asyncio.gather(self.store.commit(writes[: len(first)]), self.store.commit(writes[len(first) :]))

        self.run(both())
        self.apply(writes)

    @rule(
        user=USERS,
        archived=st.booleans(),
        descending=st.booleans(),
        limit=st.integers(1, 4),
        at=TIMES,
        id=IDS | st.just(""),
    )
    def page(self, user: str, archived: bool, descending: bool, limit: int, at: int, id: str) -> None:
        query = Query.where(
            THREADS,
            order="updated_at",
            user_id=user,
            settings__is_archived=archived,
            descending=descending,
            after=Cursor(at, id),
            limit=limit,
        )
        held = sorted(
            (
                (milliseconds(message.updated_at), key)
                for key, (_, message) in self.model.items()
                if message.user_id == user and message.settings.is_archived == archived
            ),
            reverse=descending,
        )
        assert self.run(self.store.count(query)) == len(held)
        if id:
            held = [place for place in held if (place < (at, id) if descending else place > (at, id))]
        else:
            held = [place for place in held if (place[0] <= at if descending else place[0] >= at)]
        assert [stored.id for stored in self.run(self.store.query(query))] == [key for _, key in held[:limit]]

    @rule(prefix=st.sampled_from(["", "a", "a.", "é", "\uffff", "😀"]), descending=st.booleans(), after=st.none() | IDS)
    def prefixed(self, prefix: str, descending: bool, after: str | None) -> None:
        query = Query.by_id(THREADS, prefix, descending=descending, after=after)
        held = sorted((key for key in self.model if key.startswith(prefix)), reverse=descending)
        assert self.run(self.store.count(query)) == len(held)
        if after is not None:
            held = [key for key in held if (key < after if descending else key > after)]
        assert [stored.id for stored in self.run(self.store.query(query))] == held

    @rule(ids=st.lists(IDS, max_size=6))
    def several(self, ids: list[str]) -> None:
        found = self.run(self.store.get_many(THREADS, ids))
        assert [stored.id for stored in found] == [key for key in dict.fromkeys(ids) if key in self.model]

    @rule()
    def reopen(self) -> None:
        if self.provider in DURABLE:
            self.run(self.store.close())
            self.store = self.run(self.place.open())

    @invariant()
    def same(self) -> None:
        found = self.run(self.store.query(Query.by_id(THREADS)))
        assert {stored.id: (stored.revision, stored.message) for stored in found} == self.model

    def apply(self, writes: list[Write]) -> None:
        for write in writes:
            revision, _ = self.model.pop(write.id, (0, None))
            if isinstance(write, Put):
                self.model[write.id] = (revision + 1, Thread.FromString(write.message.SerializeToString()))

    def write(self, id: str, message: Thread | None, revision: int | str | None) -> Write:
        expected = self.model.get(id, (0, None))[0] if isinstance(revision, str) else revision
        return Delete("threads", id, expected) if message is None else Put("threads", id, message, expected)

    def refuses(self, write: Write) -> bool:
        there, _ = self.model.get(write.id, (0, None))
        return write.if_revision is not None and write.if_revision != there

    def teardown(self) -> None:
        self.run(self.store.close())
        self.runner.close()
        self.folder.cleanup()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_store_is_a_dictionary_with_revisions(provider: str, engines: Engines) -> None:
    machine = type("Machine", (StoreAgainstDictionary,), {"provider": provider, "engines": engines})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
