"""What must be so after deletions: what is gone is gone entirely, and all else is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeVar

from google.protobuf.message import Message as AnyMessage
from llmchat.messages.v1.message_pb2 import ROLE_ASSISTANT
from llmchat.operations.stored.v1.system_pb2 import RemovedTotals
from llmchat.operations.v1.operation_pb2 import OPERATION_STATUS_COMPLETED
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.documents.system import LEASES
from libs.common.store.port import CollectionSpec, Delete, Write
from services.messages.collections import MESSAGES
from services.operations.collections import OPERATIONS, SYSTEM
from services.threads.collections import THREADS
from services.users.collections import USERNAMES, USERS
from tests.integration.recount import Recount
from tests.simulation.client import Reader
from tests.simulation.house import House
from tests.simulation.orphans import orphans
from tests.simulation.scenarios.answers import (
    check_answer,
    check_conversations,
    check_reader,
    is_complete_answer,
)
from tests.simulation.simulation import Simulation

M = TypeVar("M", bound=AnyMessage)


class Inhabitant:
    """One person: what they were told is theirs, and what they have begun to delete."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.threads: list[str] = []
        self.readers: dict[str, list[Reader]] = {}
        # Their threads as they are told of them, while they watch.
        self.view: dict[str, Thread] | None = None
        self.deleting: set[str] = set()
        # Threads of which they have deleted messages.
        self.trimmed: set[str] = set()
        self.is_leaving = False


class Removed:
    """Watches what the deletion of people removes, and compares it with the totals that are kept of it."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._deleted: Counter[str] = Counter()
        for service in ("threads", "messages", "operations"):
            simulation.observe(service, self._look)

    def _look(self, writes: Sequence[Write]) -> None:
        if any(write.collection == "inbox" and write.id.endswith(".users") for write in writes):
            self._deleted.update(write.collection for write in writes if isinstance(write, Delete))

    def check(self, users: int) -> None:
        """The totals are right."""
        counted = {name: self._deleted[name] for name in ("threads", "messages", "operations")}
        totals = next(iter(self._simulation.engine("operations").all(SYSTEM)), RemovedTotals())
        kept = {name: getattr(totals, name) for name in counted}
        self._simulation.require(kept == counted, f"removed are {counted}, counted {kept}")
        self._simulation.require(totals.users == users, f"{users} people are gone, counted {totals.users}")


class Aftermath:
    """The stores when all has come to its end, against what people were told and have done."""

    def __init__(
        self,
        simulation: Simulation,
        house: House,
        inhabitants: Sequence[Inhabitant],
        deprecated: Mapping[str, str],
        removed: Removed,
    ) -> None:
        """`deprecated`: models, and what replaces each, if anything."""
        self._simulation = simulation
        self._house = house
        self._inhabitants = inhabitants
        self._deprecated = deprecated
        self._removed = removed

    def check(self) -> None:
        """All of it."""
        simulation = self._simulation
        for orphan in orphans(simulation.engines):
            simulation.violate(orphan)
        for answer in simulation.engine("messages").all(MESSAGES):
            if answer.role == ROLE_ASSISTANT:
                check_answer(simulation, self._house, answer)
        check_conversations(simulation, {thread_id for one in self._inhabitants for thread_id in one.trimmed})
        for one in self._inhabitants:
            (self._check_gone if one.is_leaving else self._check_there)(one)
        self._removed.check(len([one for one in self._inhabitants if one.is_leaving]))
        keepers = [one.user_id for one in self._inhabitants if not (one.deleting or one.trimmed or one.is_leaving)]
        for wrong in Recount(self._read).wrong(keepers):
            simulation.violate(wrong)
        self._check_models()
        working = simulation.engine("operations").all(LEASES)
        simulation.require(not working, f"all operations have ended, and leases are left: {working}")

    def _read(self, service: str, spec: CollectionSpec[M], /) -> list[M]:
        return self._simulation.engine(service).all(spec)

    def _check_gone(self, one: Inhabitant) -> None:
        engine = self._simulation.engine("users")
        names = [name.user_id for name in engine.all(USERNAMES)]
        gone = engine.find(USERS, one.user_id) is None and one.user_id not in names
        self._simulation.require(gone, f"{one.user_id} is still there")

    def _check_there(self, one: Inhabitant) -> None:
        simulation = self._simulation
        simulation.require(
            simulation.engine("users").find(USERS, one.user_id) is not None, f"{one.user_id} is not there"
        )
        threads = {thread.id for thread in simulation.engine("threads").all(THREADS) if thread.user_id == one.user_id}
        simulation.require(threads <= {*one.threads}, f"{one.user_id} has threads that they did not ask for: {threads}")
        for thread_id in one.threads:
            stored = simulation.engine("threads").find(THREADS, thread_id)
            there = thread_id not in one.deleting
            simulation.require(
                (stored is not None) == there, f"{thread_id}: it should {'' if there else 'not '}be there"
            )
            if stored is not None:
                self._check_title(stored, is_whole=thread_id not in one.trimmed)
            for reader in one.readers[thread_id] if there else ():
                answer = simulation.engine("messages").find(MESSAGES, reader.message_id)
                held = answer is not None or thread_id in one.trimmed
                simulation.require(held, f"{reader.message_id}: acknowledged, and gone")
                if answer is not None:
                    check_reader(simulation, reader, answer)

    def _check_title(self, thread: Thread, *, is_whole: bool) -> None:
        """Its first complete answer has brought it a title, or an operation that tells why not.

        Of one that is not whole the first may have been deleted.
        """
        operation = self._simulation.engine("operations").find(OPERATIONS, f"op_title_{thread.id}")
        said = self._simulation.engine("messages").all(MESSAGES)
        wanted = any(one.thread_id == thread.id and is_complete_answer(one) for one in said)
        held = (operation is not None) == wanted or (operation is not None and not is_whole)
        self._simulation.require(held, f"{thread.id}: wanted {wanted}, got {operation}")
        if operation is not None and operation.status == OPERATION_STATUS_COMPLETED:
            self._simulation.require(thread.has_title, f"{thread.id}: its title is lost")

    def _check_models(self) -> None:
        for thread in self._simulation.engine("threads").all(THREADS):
            left = self._deprecated.keys().isdisjoint(thread.active_models)
            self._simulation.require(left, f"{thread.id} is active with a deprecated model")
        for user in self._simulation.engine("users").all(USERS):
            # What nothing replaces is replaced by the house's own default; where that is it, it stays.
            left = not self._deprecated.get(user.settings.default_model)
            self._simulation.require(left, f"{user.id} prefers a deprecated model")
