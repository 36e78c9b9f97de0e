"""Operations on three replicas that are killed at any moment: each is carried out, and has its effect once.

The operations service runs in three processes of its own. Threads, the catalog and the users service run in this one,
with a stand-in for the messages service, so that what reached them is seen. `LLMCHAT_FAULT_OPERATIONS` sets how many
operations there are (150 by default), `LLMCHAT_FAULT_SEED` who is killed and when.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from grpc import StatusCode, aio
from llmchat.messages.v1 import messages_service_pb2
from llmchat.messages.v1.messages_service_pb2 import SuggestTitleRequest, SuggestTitleResponse
from llmchat.operations.v1.operation_pb2 import (
    OPERATION_STATUS_COMPLETED,
    OPERATION_TYPE_GENERATE_TITLE,
    Operation,
)
from llmchat.operations.v1.operations_service_pb2 import CreateOperationRequest
from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceStub
from llmchat.store.v1.journal_pb2 import JournalEntry
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest
from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceStub

from libs.client.redis_process import redis_serving
from libs.client.replica import Process as ChildProcess
from libs.client.replica import Replica, State
from libs.client.server_process import free_ports, server_process, until_serving
from libs.common.context import Call
from libs.common.opening import open_process
from libs.common.process import Process
from libs.common.settings import Settings
from services.catalog.bootstrap import bootstrap as catalog_bootstrap
from services.threads.bootstrap import bootstrap as threads_bootstrap
from services.users.bootstrap import bootstrap as users_bootstrap
from tests.faults.server import SECRET
from tests.integration.calling import eventually
from tests.integration.tables import bodies
from tests.standins.partial import filled

OPERATIONS = int(os.environ.get("LLMCHAT_FAULT_OPERATIONS", "150"))
KILLS = max(5, OPERATIONS // 10)
REPLICAS = 3
# How many are asked for at once, each by somebody else.
PEOPLE = 25
# Seconds between kills, and after the last one until everything has ended.
PAUSES, WITHIN = (0.1, 1.0), 60.0
SETTINGS = {
    "LLMCHAT_SECRET_KEY": SECRET,
    "LLMCHAT_OPERATION_LEASE": "2",
    "LLMCHAT_OPERATION_INTERVAL": "0.5",
    "LLMCHAT_OPERATION_RETRY_DELAY": "0.1",
    # An interruption counts as a retry: one operation may meet several kills.
    "LLMCHAT_OPERATION_RETRIES": "20",
    "LLMCHAT_OPERATIONS_PER_USER": "1000",
    "LLMCHAT_LIMITS": "off",
    "LLMCHAT_STOP_GRACE": "1",
}


class StandInMessages:
    """Stands in for the messages service: it takes its time, and suggests another title each time that it is asked.

    Attributes:
        suggested: The titles that were suggested for each thread.
    """

    def __init__(self, dice: random.Random) -> None:
        self.suggested: dict[str, list[str]] = {}
        self._dice = dice

    async def bootstrap(self, process: Process) -> None:
        service = messages_service_pb2.DESCRIPTOR.services_by_name["MessagesService"]
        process.server.add(service, filled(service, self))

    async def SuggestTitle(self, request: SuggestTitleRequest, call: Call) -> SuggestTitleResponse:  # noqa: N802
        await asyncio.sleep(self._dice.uniform(0, 0.2))
        titles = self.suggested.setdefault(request.thread_id, [])
        titles.append(f"Title {len(titles) + 1} of {request.thread_id}")
        return SuggestTitleResponse(title=titles[-1], tokens_used=1)


class House:
    """The processes, and how to be somebody there."""

    def __init__(self, process: Process, messages: StandInMessages, replicas: list[Replica], folder: Path) -> None:
        self.messages = messages
        self.replicas = replicas
        self.addresses = ",".join(replica.address for replica in replicas)
        self._process = process
        self._folder = folder
        self._channels = [aio.insecure_channel(place) for place in (process.server.address, *self.addresses.split(","))]

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()

    async def ask(self, person: str, number: int, dice: random.Random) -> Operation:
        """A thread of the person's, and a title asked for it at any replica until one has answered."""
        metadata = (("authorization", f"Bearer {self._process.tokens.issue_user(person, False)[0]}"),)
        thread = await ThreadsServiceStub(self._channels[0]).CreateThread(CreateThreadRequest(), metadata=metadata)
        request = CreateOperationRequest(
            type=OPERATION_TYPE_GENERATE_TITLE, thread_id=thread.id, model_id="echo", request_id=f"title {number}"
        )
        while True:
            stub = OperationsServiceStub(dice.choice(self._channels[1:]))
            try:
                return await stub.CreateOperation(request, metadata=metadata, timeout=10)
            except aio.AioRpcError as error:
                if error.code() not in (StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED):
                    raise
                await asyncio.sleep(0.1)

    async def stored(self) -> list[Operation]:
        return [Operation.FromString(body) for body in bodies(self._folder, "operations", "operations")]

    def threads(self) -> dict[str, Thread]:
        threads = (Thread.FromString(body) for body in bodies(self._folder, "threads", "threads"))
        return {thread.id: thread for thread in threads}

    def leftovers(self) -> int:
        """What only operations under way have."""
        return sum(len(bodies(self._folder, "operations", table)) for table in ("leases", "unended_operations"))

    def writes(self, service: str, collection: str) -> Counter[str]:
        """How often each document was written, and each operation as complete, by the journal."""
        entries = (JournalEntry.FromString(body) for body in bodies(self._folder, service, "journal"))
        return Counter(
            entry.document_id
            for entry in entries
            if entry.collection == collection
            and (collection != "operations" or Operation.FromString(entry.after).status == OPERATION_STATUS_COMPLETED)
        )


@asynccontextmanager
async def house_of(folder: Path, dice: random.Random) -> AsyncIterator[House]:
    messages = StandInMessages(dice)
    here, *there = (f"127.0.0.1:{port}" for port in free_ports(1 + REPLICAS))
    served = {"users": users_bootstrap, "threads": threads_bootstrap, "catalog": catalog_bootstrap}
    async with redis_serving() as redis:
        shared = {"LLMCHAT_STORE_URL": f"sqlite:///{folder}", "LLMCHAT_BUS_URL": redis.url}
        addresses = {f"LLMCHAT_{name.upper()}_ADDRESS": here for name in (*served, "messages")}
        replicas = [replica(number, at, {**SETTINGS, **shared, **addresses}, folder) for number, at in enumerate(there)]
        settings = Settings(
            listen=here,
            store_url=f"sqlite:///{folder}",
            bus_url=redis.url,
            secret_key=SECRET,
            operations_address=",".join(there),
            limits="off",
            stop_grace=0.5,
        )
        bootstraps = {**served, "messages": messages.bootstrap}
        # The replicas ask this process first thing, and it does without them for a while.
        async with open_process(settings, bootstraps) as process:
            house = House(process, messages, replicas, folder)
            try:
                await asyncio.gather(*(one.start() for one in replicas))
                yield house
            finally:
                await asyncio.gather(*(one.stop() for one in replicas))
                await house.close()


def replica(number: int, address: str, settings: Mapping[str, str], folder: Path) -> Replica:
    log = folder / f"operations-{number}.log"

    @asynccontextmanager
    async def launch(more: Mapping[str, str]) -> AsyncIterator[ChildProcess]:
        async with server_process("services.operations", address, {**settings, **more}, log=log) as process:
            yield process

    ready = partial(until_serving, address=address, service="operations", tls=None, log=log)
    return Replica("operations", number, address, launch, ready, lambda line: None)


@pytest.mark.timeout(180 + OPERATIONS)
async def test_each_has_its_effect_once_whoever_is_killed(
    tmp_path: Path, dice: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMCHAT_HEALTH_INTERVAL", "0")
    async with house_of(tmp_path, dice) as house:
        began = time.monotonic()
        asking = asyncio.create_task(ask_for_all(house, dice))
        kills = 0
        while kills < KILLS and (not asking.done() or await unended(house)):
            await asyncio.sleep(dice.uniform(*PAUSES))
            if serving := [one for one in house.replicas if one.state is State.SERVING]:
                await dice.choice(serving).kill()
                kills += 1
        created = await asking
        await eventually(partial(unended, house), lambda left: not left, within=WITHIN)
        again = sum(map(len, house.messages.suggested.values())) - len(created)
        seconds = time.monotonic() - began
        print(f"{len(created)} operations, {kills} kills, {again} suggestions in vain, {seconds:.0f} s")  # noqa: T201

        operations, threads = await house.stored(), house.threads()
        assert {operation.id for operation in operations} == {operation.id for operation in created}
        assert {operation.status for operation in operations} == {OPERATION_STATUS_COMPLETED}
        assert house.leftovers() == 0
        for operation in operations:
            thread = threads[operation.thread_id]
            assert thread.title == operation.result.title
            # However often it was suggested: one suggestion was taken, and no later one in its place.
            assert thread.title in house.messages.suggested[thread.id]
        # In one commit each: a thread was written when it was made and when it was given its title.
        assert set(house.writes("threads", "threads").values()) == {2}
        assert set(house.writes("operations", "operations").values()) == {1}
        assert kills > 0


async def ask_for_all(house: House, dice: random.Random) -> list[Operation]:
    """All operations, as they were acknowledged."""

    async def ask(place: int) -> list[Operation]:
        numbers = range(place, OPERATIONS, PEOPLE)
        return [await house.ask(f"person {place}", number, dice) for number in numbers]

    return [operation for asked in await asyncio.gather(*map(ask, range(PEOPLE))) for operation in asked]


async def unended(house: House) -> list[Operation]:
    return [operation for operation in await house.stored() if operation.status != OPERATION_STATUS_COMPLETED]
