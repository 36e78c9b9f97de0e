"""A server that is killed once a thread has outgrown its context: the summary comes, once."""

from __future__ import annotations

import asyncio
import random
from functools import partial

from llmchat.catalog.v1.catalog_service_pb2 import GetModelRequest, UpsertModelRequest
from llmchat.messages.stored.v1.stream_pb2 import Summary
from llmchat.operations.v1.operation_pb2 import OPERATION_STATUS_COMPLETED, OPERATION_TYPE_SUMMARIZE, Operation
from llmchat.operations.v1.operations_service_pb2 import ListOperationsRequest
from llmchat.store.v1.journal_pb2 import JournalEntry
from llmchat.threads.v1.thread_pb2 import ModelUsage
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest, GetThreadRequest

from libs.common.clock import wall_clock
from libs.common.crypto.keys import KeyRing
from libs.common.crypto.tokens import Tokens
from tests.faults.calls import DEADLINE
from tests.faults.server import SECRET, Server
from tests.integration.branching import ask
from tests.integration.calling import eventually
from tests.integration.conftest import Person, bearing
from tests.integration.tables import bodies

MODEL = "small-echo"


async def test_a_summary_that_is_wanted_comes_once(server: Server, rounds: range, dice: random.Random) -> None:
    await put_small_model(server)
    thread_ids = []
    user_id = None
    for number in rounds:
        async with server.visit(user_id) as anna:
            user_id = anna.user_id
            thread_ids.append((await anna.threads.CreateThread(CreateThreadRequest(title=f"{number}"))).id)
            # Two of these and their answers fill the context.
            for place in range(3):
                await ask(anna, thread_ids[-1], f"Question {place}." + " word" * 150, model_id=MODEL)
            await asyncio.sleep(dice.uniform(0, 0.1))
            await server.kill()
        await server.start()
        async with server.visit(user_id) as anna:
            usage = await eventually(partial(usage_of, anna, thread_ids[-1]), has_summary, within=DEADLINE)
            assert usage.summary.startswith("Question 0.")
            operations = partial(summaries_of, anna, thread_ids[-1])
            [_] = await eventually(operations, all_completed, within=DEADLINE)
    await server.stop()

    entries = [JournalEntry.FromString(body) for body in bodies(server.folder, "messages", "journal")]
    summaries = [Summary.FromString(entry.after) for entry in entries if entry.collection == "summaries"]
    assert sorted(one.thread_id for one in summaries if one.text) == sorted(thread_ids), "each is made once"


async def put_small_model(server: Server) -> None:
    """An echo model whose context holds 1,600 tokens, half of which it may need to answer."""
    token, _ = Tokens(KeyRing.parse(SECRET).derive("tokens"), wall_clock).issue_user("root", True)
    async with bearing(server.address, token, "root") as root:
        model = await root.catalog.GetModel(GetModelRequest(id="echo"))
        model.id, model.etag = MODEL, ""
        model.specs.context_length, model.specs.max_output_tokens = 1600, 800
        await root.catalog.UpsertModel(UpsertModelRequest(model=model))


async def usage_of(person: Person, thread_id: str) -> ModelUsage:
    return (await person.threads.GetThread(GetThreadRequest(id=thread_id))).models[MODEL]


def has_summary(usage: ModelUsage) -> bool:
    return bool(usage.summary)


async def summaries_of(person: Person, thread_id: str) -> list[Operation]:
    listed = await person.operations.ListOperations(ListOperationsRequest(thread_id=thread_id))
    return [one for one in listed.operations if one.type == OPERATION_TYPE_SUMMARIZE]


def all_completed(operations: list[Operation]) -> bool:
    return bool(operations) and all(one.status == OPERATION_STATUS_COMPLETED for one in operations)
