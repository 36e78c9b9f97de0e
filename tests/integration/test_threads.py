"""Threads, as a user meets them and as finished generations move them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from grpc import StatusCode
from llmchat.events.v1.events_pb2 import GenerationFinished, ThreadDeleted, TitleWanted
from llmchat.store.v1.outbox_pb2 import OutboxEvent, PublishedEvent
from llmchat.threads.v1.thread_pb2 import MODEL_USAGE_STATUS_ACTIVE, Thread, ThreadSettings
from llmchat.threads.v1.threads_service_pb2 import (
    CreateThreadRequest,
    DeleteThreadRequest,
    GetThreadRequest,
    ListThreadsRequest,
    SetGeneratedTitleRequest,
    UpdateThreadRequest,
)
from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceStub

from libs.common.clock import milliseconds, timestamp
from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.events.bus import Delivery, Gap
from libs.common.events.outbox import Outbox, event_channel
from libs.common.events.subscription import subscribed
from libs.common.opening import open_process
from libs.common.process import Process
from libs.common.settings import Settings
from services.threads.bootstrap import bootstrap
from tests.integration.calling import NOBODY, SignedIn, eventually, refused, sign_in


class HeldClock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 2_000_000_000_000

    def __call__(self) -> int:
        return self.now


class StandInMessages:
    """Stands in for the messages service: it only tells of generations that ended."""

    documents: Documents
    outbox: Outbox

    async def bootstrap(self, process: Process) -> None:
        self.documents = await process.documents("messages", [])
        self.outbox = process.outbox("messages", self.documents)

    async def finish(self, thread: Thread, model_id: str, *, at: int, **facts: Any) -> None:
        """A generation of two messages and 30 tokens ended at `at` milliseconds of the epoch."""
        facts = {"messages": 2, "tokens": 30, "complete": True} | facts
        event = GenerationFinished(
            thread_id=thread.id, user_id=thread.user_id, model_id=model_id, finished_at=timestamp(at), **facts
        )

        async def emit(unit: Unit) -> None:
            self.outbox.emit(unit, "generation.finished", thread.id, event)

        await self.documents.unit(emit)


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def messages() -> StandInMessages:
    return StandInMessages()


@pytest.fixture
async def process(tmp_path: Path, clock: HeldClock, messages: StandInMessages) -> AsyncIterator[Process]:
    settings = Settings(
        listen="127.0.0.1:0",
        store_url=f"sqlite:///{tmp_path}",
        users_address=NOBODY,
        catalog_address=NOBODY,
        operations_address=NOBODY,
        redelivery_interval=0.1,
        stop_grace=1,
    )
    bootstraps = {"threads": bootstrap, "messages": messages.bootstrap}
    async with open_process(settings, bootstraps, clock=clock) as process:
        yield process


@pytest.fixture
async def users(process: Process) -> AsyncIterator[list[SignedIn]]:
    async with sign_in(process, ThreadsServiceStub, "alice", "bob") as users:
        yield users


@pytest.fixture
def alice(users: list[SignedIn]) -> SignedIn:
    return users[0]


@pytest.fixture
def bob(users: list[SignedIn]) -> SignedIn:
    return users[1]


def mask(*paths: str) -> FieldMask:
    return FieldMask(paths=paths)


async def listed(user: SignedIn, **request: Any) -> list[str]:
    answer = await user.ListThreads(ListThreadsRequest(**request))
    return [thread.id for thread in answer.threads]


class TestLife:
    async def test_a_thread_is_opened_renamed_archived_and_deleted(self, alice: SignedIn) -> None:
        thread = await alice.CreateThread(CreateThreadRequest(title="Trip to Lisbon"))
        assert (thread.user_id, thread.title, thread.has_title, thread.etag) == ("alice", "Trip to Lisbon", True, "1")

        changed = Thread(id=thread.id, title="Lisbon", settings=ThreadSettings(is_archived=True, tags=["travel"]))
        updated = await alice.UpdateThread(
            UpdateThreadRequest(thread=changed, update_mask=mask("title", "settings.is_archived", "settings.tags"))
        )
        assert (updated.title, updated.settings, updated.etag) == ("Lisbon", changed.settings, "2")
        assert await alice.GetThread(GetThreadRequest(id=thread.id)) == updated

        await alice.DeleteThread(DeleteThreadRequest(id=thread.id))
        with refused(StatusCode.NOT_FOUND):
            await alice.GetThread(GetThreadRequest(id=thread.id))
        with refused(StatusCode.NOT_FOUND):
            await alice.DeleteThread(DeleteThreadRequest(id=thread.id))
        assert await listed(alice) == []

    async def test_a_thread_without_a_title_gets_a_stand_in_until_a_person_names_it(self, alice: SignedIn) -> None:
        thread = await alice.CreateThread(CreateThreadRequest())
        assert (thread.title, thread.has_title) == ("New conversation", False)
        named = await alice.UpdateThread(
            UpdateThreadRequest(thread=Thread(id=thread.id, title="Mine"), update_mask=mask("title"))
        )
        assert (named.title, named.has_title) == ("Mine", True)

    async def test_settings_are_no_activity(self, alice: SignedIn, clock: HeldClock) -> None:
        thread = await alice.CreateThread(CreateThreadRequest())
        clock.now += 60_000
        pinned = Thread(id=thread.id, settings=ThreadSettings(is_pinned=True))
        updated = await alice.UpdateThread(UpdateThreadRequest(thread=pinned, update_mask=mask("settings.is_pinned")))
        assert updated.settings.is_pinned
        assert updated.updated_at == thread.updated_at

    async def test_a_deletion_is_told_to_those_whose_documents_hang_on_it(
        self, alice: SignedIn, process: Process
    ) -> None:
        thread = await alice.CreateThread(CreateThreadRequest())
        async with subscribed(process.bus, event_channel("thread.deleted")) as events:
            await alice.DeleteThread(DeleteThreadRequest(id=thread.id))
            told = event_in(await anext(events))
        assert set(told.waiting_for) == {"messages", "operations"}
        assert unpacked(told, ThreadDeleted()) == ThreadDeleted(thread_id=thread.id, user_id="alice")


class TestLists:
    async def test_newest_activity_comes_first(
        self, alice: SignedIn, clock: HeldClock, messages: StandInMessages
    ) -> None:
        threads = []
        for _ in range(3):
            clock.now += 1000
            threads.append(await alice.CreateThread(CreateThreadRequest(title="t")))
        oldest, middle, newest = (thread.id for thread in threads)
        assert await listed(alice) == [newest, middle, oldest]

        await messages.finish(threads[0], "echo", at=clock.now + 5000)
        await eventually(lambda: listed(alice), lambda ids: ids == [oldest, newest, middle])

    async def test_pages_lose_and_repeat_nothing_while_activity_moves_threads(
        self, alice: SignedIn, clock: HeldClock, messages: StandInMessages
    ) -> None:
        """All were opened in the same millisecond, so that only the tie-breaker tells them apart."""
        threads = {}
        for _ in range(7):
            thread = await alice.CreateThread(CreateThreadRequest(title="t"))
            threads[thread.id] = thread
        newest_first = sorted(threads, reverse=True)

        first = await alice.ListThreads(ListThreadsRequest(page_size=3, count_total=True))
        assert [thread.id for thread in first.threads] == newest_first[:3]
        assert first.total_size == 7

        seen_before, not_seen_yet = newest_first[1], newest_first[5]
        await messages.finish(threads[seen_before], "echo", at=clock.now + 1)
        await messages.finish(threads[not_seen_yet], "echo", at=clock.now + 2)
        await eventually(lambda: listed(alice, page_size=2), lambda ids: ids == [not_seen_yet, seen_before])

        rest = await alice.ListThreads(ListThreadsRequest(page_size=3, page_token=first.next_page_token))
        assert [thread.id for thread in rest.threads] == [newest_first[3], newest_first[4], newest_first[6]]
        assert rest.next_page_token == ""
        assert not rest.HasField("total_size")

    async def test_archived_and_others_apart_or_together(self, alice: SignedIn) -> None:
        kept = await alice.CreateThread(CreateThreadRequest(title="kept"))
        away = await alice.CreateThread(CreateThreadRequest(title="away", settings=ThreadSettings(is_archived=True)))
        assert await listed(alice, is_archived=True) == [away.id]
        assert await listed(alice, is_archived=False) == [kept.id]
        assert set(await listed(alice)) == {kept.id, away.id}

    async def test_a_page_holds_20_unless_asked_otherwise(self, alice: SignedIn) -> None:
        for _ in range(21):
            await alice.CreateThread(CreateThreadRequest(title="t"))
        assert len(await listed(alice)) == 20
        assert len(await listed(alice, page_size=100)) == 21

    async def test_a_token_serves_the_list_and_the_user_it_was_given_to(self, alice: SignedIn, bob: SignedIn) -> None:
        for user in (alice, bob):
            for _ in range(3):
                await user.CreateThread(CreateThreadRequest(title="t"))
        token = (await alice.ListThreads(ListThreadsRequest(page_size=2))).next_page_token
        edited = ("B" if token[0] == "A" else "A") + token[1:]
        for user, request in (
            (alice, ListThreadsRequest(page_size=2, page_token=edited)),
            (alice, ListThreadsRequest(page_size=2, page_token="what?")),
            (alice, ListThreadsRequest(page_size=2, page_token=token, is_archived=False)),
            (bob, ListThreadsRequest(page_size=2, page_token=token)),
        ):
            with refused(StatusCode.INVALID_ARGUMENT) as refusal:
                await user.ListThreads(request)
            assert refusal.error.reason == "INVALID_PAGE_TOKEN"


class TestRefusals:
    async def test_another_users_thread_is_not_found_by_any_rpc(self, alice: SignedIn, bob: SignedIn) -> None:
        thread = await alice.CreateThread(CreateThreadRequest(title="private"))
        stolen = Thread(id=thread.id, title="mine now")
        texts = set()
        for call, request in (
            (bob.GetThread, GetThreadRequest(id=thread.id)),
            (bob.UpdateThread, UpdateThreadRequest(thread=stolen, update_mask=mask("title"))),
            (bob.DeleteThread, DeleteThreadRequest(id=thread.id)),
        ):
            with refused(StatusCode.NOT_FOUND) as refusal:
                await call(request)
            texts.add(refusal.error.text)
        await alice.DeleteThread(DeleteThreadRequest(id=thread.id))
        with refused(StatusCode.NOT_FOUND) as refusal:
            await bob.GetThread(GetThreadRequest(id=thread.id))
        assert texts == {refusal.error.text}, "a thread that is another's reads as one that is not there"
        assert await listed(bob) == []

    async def test_every_violation_is_named_at_once(self, alice: SignedIn) -> None:
        settings = ThreadSettings(color="red", tags=["fine", "", "x" * 31])
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            await alice.CreateThread(CreateThreadRequest(title="t" * 201, settings=settings))
        assert refusal.fields == {"title", "settings.color", "settings.tags[1]", "settings.tags[2]"}
        assert await listed(alice) == []

    @pytest.mark.parametrize("size", [-1, 101])
    async def test_a_page_size_out_of_range(self, alice: SignedIn, size: int) -> None:
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            await alice.ListThreads(ListThreadsRequest(page_size=size))
        assert refusal.fields == {"page_size"}

    async def test_a_title_of_blanks(self, alice: SignedIn) -> None:
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            await alice.CreateThread(CreateThreadRequest(title=" \n\u00a0"))
        assert refusal.fields == {"title"}
        thread = await alice.CreateThread(CreateThreadRequest(title="fine"))
        for title in ("", "  "):
            with refused(StatusCode.INVALID_ARGUMENT) as refusal:
                blank = Thread(id=thread.id, title=title)
                await alice.UpdateThread(UpdateThreadRequest(thread=blank, update_mask=mask("title")))
            assert refusal.fields == {"thread.title"}

    async def test_a_mask_that_names_what_cannot_be_changed(self, alice: SignedIn) -> None:
        thread = await alice.CreateThread(CreateThreadRequest(title="t"))
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            await alice.UpdateThread(
                UpdateThreadRequest(thread=thread, update_mask=mask("title", "user_id", "total_messages", "nonsense"))
            )
        assert all(word in refusal.error.text for word in ("user_id", "total_messages", "nonsense"))

    async def test_a_stale_etag(self, alice: SignedIn) -> None:
        thread = await alice.CreateThread(CreateThreadRequest(title="first"))
        update = UpdateThreadRequest(
            thread=Thread(id=thread.id, title="second", etag=thread.etag), update_mask=mask("title")
        )
        await alice.UpdateThread(update)
        with refused(StatusCode.ABORTED) as refusal:
            await alice.UpdateThread(update)
        assert refusal.error.reason == "STALE_ETAG"
        with refused(StatusCode.ABORTED):
            await alice.DeleteThread(DeleteThreadRequest(id=thread.id, etag=thread.etag))
        await alice.DeleteThread(DeleteThreadRequest(id=thread.id, etag="2"))


class TestRequestIds:
    async def test_a_repeat_gets_the_first_answer(self, alice: SignedIn) -> None:
        create = CreateThreadRequest(title="once", request_id="create-1")
        thread = await alice.CreateThread(create)
        assert await alice.CreateThread(create) == thread
        assert await listed(alice) == [thread.id]

        update = UpdateThreadRequest(
            thread=Thread(id=thread.id, title="twice"), update_mask=mask("title"), request_id="update-1"
        )
        assert await alice.UpdateThread(update) == await alice.UpdateThread(update)

        delete = DeleteThreadRequest(id=thread.id, request_id="delete-1")
        assert await alice.DeleteThread(delete) == await alice.DeleteThread(delete)

    async def test_the_same_id_with_another_body(self, alice: SignedIn, bob: SignedIn) -> None:
        await alice.CreateThread(CreateThreadRequest(title="one", request_id="r"))
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            await alice.CreateThread(CreateThreadRequest(title="another", request_id="r"))
        assert refusal.error.reason == "REQUEST_ID_REUSED"
        theirs = await bob.CreateThread(CreateThreadRequest(title="another", request_id="r"))
        assert theirs.title == "another", "request ids are each user's own"


class TestActivity:
    async def test_finished_generations_move_totals(
        self, alice: SignedIn, clock: HeldClock, messages: StandInMessages
    ) -> None:
        thread = await alice.CreateThread(CreateThreadRequest(title="t"))
        await messages.finish(thread, "gpt-5", at=clock.now + 2000, temperature=0.25)
        await messages.finish(thread, "echo", at=clock.now + 3000, complete=False)
        await messages.finish(thread, "gpt-5", at=clock.now + 1000, tokens=12)

        moved = await eventually(lambda: read(alice, thread), lambda thread: thread.total_messages == 6)
        assert list(moved.active_models) == ["gpt-5", "echo"]
        usage = moved.models["gpt-5"]
        assert (usage.message_count, usage.total_tokens_used, usage.last_temperature) == (4, 42, 0.25)
        assert usage.status == MODEL_USAGE_STATUS_ACTIVE
        assert milliseconds(usage.last_message_at) == clock.now + 2000, "the latest, in whatever order they came"
        assert milliseconds(moved.updated_at) == clock.now + 3000

    async def test_an_event_that_comes_again_counts_once(
        self, alice: SignedIn, clock: HeldClock, messages: StandInMessages, process: Process
    ) -> None:
        thread = await alice.CreateThread(CreateThreadRequest(title="t"))
        channel = event_channel("generation.finished")
        async with subscribed(process.bus, channel) as events:
            await messages.finish(thread, "echo", at=clock.now)
            delivery = await anext(events)
            assert isinstance(delivery, Delivery)
        await eventually(lambda: read(alice, thread), lambda thread: thread.total_messages == 2)

        for _ in range(3):
            process.bus.publish(channel, delivery.payload)
        # Events of one thread are handled in order: once this one counts, the repeats have been handled.
        await messages.finish(thread, "echo", at=clock.now)
        moved = await eventually(lambda: read(alice, thread), lambda thread: thread.total_messages >= 4)
        assert (moved.total_messages, moved.models["echo"].total_tokens_used) == (4, 60)

    async def test_a_deleted_thread_stays_deleted(
        self, alice: SignedIn, clock: HeldClock, messages: StandInMessages
    ) -> None:
        gone = await alice.CreateThread(CreateThreadRequest(title="gone"))
        other = await alice.CreateThread(CreateThreadRequest(title="other"))
        await alice.DeleteThread(DeleteThreadRequest(id=gone.id))
        await messages.finish(gone, "echo", at=clock.now)
        await messages.finish(other, "echo", at=clock.now)
        await eventually(lambda: read(alice, other), lambda thread: thread.total_messages == 2)
        assert await listed(alice) == [other.id]

    async def test_only_a_complete_answer_in_an_unnamed_thread_asks_for_a_title(
        self, alice: SignedIn, clock: HeldClock, messages: StandInMessages, process: Process
    ) -> None:
        named = await alice.CreateThread(CreateThreadRequest(title="named"))
        unnamed = await alice.CreateThread(CreateThreadRequest())
        async with subscribed(process.bus, event_channel("thread.title_wanted")) as events:
            await messages.finish(named, "echo", at=clock.now)
            await messages.finish(unnamed, "echo", at=clock.now, complete=False)
            await messages.finish(unnamed, "gpt-5", at=clock.now)
            wanted = event_in(await anext(events))
        assert unpacked(wanted, TitleWanted()) == TitleWanted(thread_id=unnamed.id, user_id="alice", model_id="gpt-5")


class TestGeneratedTitle:
    @pytest.fixture
    def operations(self, process: Process, alice: SignedIn) -> SignedIn:
        """The operations service, acting for alice."""
        return SignedIn(alice._stub, process.tokens.issue_service("operations", "alice", False)[0])

    async def test_it_fills_in_for_a_missing_title_and_never_replaces_one(
        self, alice: SignedIn, operations: SignedIn
    ) -> None:
        thread = await alice.CreateThread(CreateThreadRequest())
        titled = await operations.SetGeneratedTitle(SetGeneratedTitleRequest(id=thread.id, title="Lisbon by tram"))
        assert (titled.title, titled.has_title) == ("Lisbon by tram", True)
        again = await operations.SetGeneratedTitle(SetGeneratedTitleRequest(id=thread.id, title="Something else"))
        assert again == titled

    async def test_it_is_for_the_operations_service_acting_for_the_threads_user(
        self, alice: SignedIn, bob: SignedIn, operations: SignedIn, process: Process
    ) -> None:
        thread = await bob.CreateThread(CreateThreadRequest())
        request = SetGeneratedTitleRequest(id=thread.id, title="A title")
        with refused(StatusCode.NOT_FOUND):
            await operations.SetGeneratedTitle(request)
        with refused(StatusCode.PERMISSION_DENIED):
            await bob.SetGeneratedTitle(request)
        catalog = SignedIn(bob._stub, process.tokens.issue_service("catalog", "bob", False)[0])
        with refused(StatusCode.PERMISSION_DENIED):
            await catalog.SetGeneratedTitle(request)


async def read(user: SignedIn, thread: Thread) -> Thread:
    found: Thread = await user.GetThread(GetThreadRequest(id=thread.id))
    return found


def event_in(item: Delivery | Gap) -> OutboxEvent:
    assert isinstance(item, Delivery)
    return PublishedEvent.FromString(item.payload).event


def unpacked(event: OutboxEvent, payload: Message) -> Message:
    assert event.payload.Unpack(payload)
    return payload
