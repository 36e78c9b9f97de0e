"""A server that is killed at any moment of an import: the same import again makes it whole, each message once."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

from tests.faults.calls import unless_killed
from tests.faults.recounting import equals_a_recount
from tests.faults.server import Server
from tests.integration.importing import bring_in, gpt, shape, thread_of, threads_of
from tests.integration.test_import_exports import grown
from tests.standins.accounts import registration

CONVERSATIONS, MESSAGES = 4, 500


def file_of(number: int) -> bytes:
    """Of conversations with branches, and one of messages that many pages hold."""
    conversations: list[dict[str, Any]] = []
    for place in range(CONVERSATIONS):
        one = grown(10 * number + place, MESSAGES)
        conversations.append(gpt(f"{number}.{place}", title=f"{number}.{place}") | {"mapping": one["mapping"]})
        conversations[-1]["current_node"] = one["current_node"]
    return json.dumps(conversations).encode()


async def test_an_import_that_is_killed_is_made_whole_by_the_next(
    server: Server, rounds: range, dice: random.Random
) -> None:
    async with server.visit() as nobody:
        user_id = (await nobody.users.CreateUser(registration())).id
    for number in rounds:
        data = file_of(number)
        async with server.visit(user_id) as anna:
            importing = asyncio.create_task(unless_killed(bring_in(anna, data, model_id="echo")))
            await asyncio.sleep(dice.uniform(0.05, 0.9))
            await server.kill()
            await importing
        await server.start()
        async with server.visit(user_id) as anna:
            half = {thread.id for thread in await threads_of(anna)}
            taken = await bring_in(anna, data, model_id="echo")
            assert not [one.error for one in taken if one.error]
            assert half <= {one.id for one in await threads_of(anna)}
            await equals_a_recount(server, user_id)

            # As it is where nobody was killed.
            async with server.visit() as ben:
                whole = await bring_in(ben, data, model_id="echo")
                await equals_a_recount(server, user_id)
                for one, other in zip(taken, whole, strict=True):
                    there = await shape(anna, await thread_of(anna, one.thread_id))
                    assert there == await shape(ben, await thread_of(ben, other.thread_id))
                    assert there["total"] == len(there["tree"]) == MESSAGES
            assert not any(thread.is_importing for thread in await threads_of(anna))
