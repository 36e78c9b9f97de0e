"""`llmchat operations`, as who has work done in the background runs them."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from llmchat.operations.v1.operation_pb2 import (
    OPERATION_STATUS_COMPLETED,
    OPERATION_STATUS_FAILED,
    OPERATION_TYPE_GENERATE_TITLE,
    Operation,
)

from libs.client import Client
from libs.common.clock import timestamp, wall_clock
from services.operations.collections import OPERATIONS
from tests.integration.conftest import House
from tests.integration.planting import plant
from tests.integration.test_cli import run

# Runs `llmchat` with these arguments.
Run = Callable[..., Awaitable[subprocess.CompletedProcess[str]]]


@pytest.fixture
async def ada(house: House) -> AsyncIterator[Client]:
    token, _ = house.process.tokens.issue_user("user_ada", False)
    async with Client(house.address, token=token) as client:
        yield client


@pytest.fixture
def llmchat(house: House, ada: Client, tmp_path: Path) -> Run:
    async def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "LLMCHAT_ADDRESS": house.address,
            "LLMCHAT_ACCESS_KEY": ada.token or "",
            "XDG_CONFIG_HOME": str(tmp_path),
        }
        return await asyncio.to_thread(partial(run, *arguments, environment=environment))

    return command


async def failed(house: House, ada: Client) -> Operation:
    """One of ada's that found no title, of a thread in which nothing was said."""
    thread = await ada.create_thread()
    operation = Operation(
        id="op_failed",
        type=OPERATION_TYPE_GENERATE_TITLE,
        user_id="user_ada",
        thread_id=thread.id,
        model_id="echo",
        status=OPERATION_STATUS_FAILED,
        created_at=timestamp(wall_clock()),
    )
    operation.error.code, operation.error.message = "MODEL_OFF", "the model is off"
    await plant(house, "operations", OPERATIONS, operation)
    return operation


async def test_ones_operations_are_listed_and_shown(house: House, llmchat: Run, ada: Client) -> None:
    assert (await llmchat("operations")).stdout == "no operations\n"
    operation = await failed(house, ada)
    listed = await llmchat("operations")
    assert (listed.returncode, listed.stderr) == (0, "")
    (row,) = [line.split() for line in listed.stdout.splitlines()[1:]]
    assert row[:6] == [operation.id, "generate_title", operation.thread_id, "failed", "0", "%"]
    assert row[-1] == "MODEL_OFF"
    assert (await llmchat("operations", "--thread", "thread_other")).stdout == "no operations\n"

    shown = await llmchat("operations", "show", operation.id)
    about = f"generate_title {operation.thread_id} echo"
    assert shown.stdout == f"{operation.id}  {about}: failed, 0 %, the model is off (MODEL_OFF)\n"


async def test_one_that_has_failed_is_tried_again_and_followed(house: House, llmchat: Run, ada: Client) -> None:
    operation = await failed(house, ada)
    retried = await llmchat("operations", "retry", operation.id)
    assert (retried.returncode, ": pending, " in retried.stdout) == (0, True)
    followed = await llmchat("operations", "show", operation.id, "--follow")
    # Nothing was said in the thread: the messages service knows none, as after its deletion.
    assert ": cancelled, " in followed.stdout.splitlines()[-1]
    again = await llmchat("operations", "retry", operation.id)
    assert (again.returncode, again.stderr) == (1, "error: the operation has not failed\n")


async def test_one_that_has_ended_is_not_cancelled_any_more(house: House, llmchat: Run, ada: Client) -> None:
    operation = await failed(house, ada)
    cancelled = await llmchat("operations", "cancel", operation.id)
    assert (cancelled.returncode, ": failed, " in cancelled.stdout) == (0, True)


async def test_work_is_asked_for_and_followed_by_a_program(ada: Client) -> None:
    thread = await ada.create_thread()
    answer = ada.send(thread.id, "echo", "What is worth seeing in Lisbon?")
    await anext(answer)
    asked = await ada.create_operation(OPERATION_TYPE_GENERATE_TITLE, thread_id=thread.id, model_id="echo")
    *_, ended = [state async for state in ada.watch_operation(asked.id)]
    assert (ended.id, ended.status) == (asked.id, OPERATION_STATUS_COMPLETED)
    assert (await ada.get_thread(thread.id)).title == ended.result.title
