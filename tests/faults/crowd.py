"""People who use a house while it is being damaged, and who remember what was acknowledged to them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_COMPLETE, Message
from llmchat.messages.v1.messages_service_pb2 import BUSY_POLICY_ENQUEUE
from llmchat.operations.v1.operation_pb2 import OPERATION_STATUS_COMPLETED

from libs.client.answer import Answer
from libs.client.client import Client
from libs.common.crypto.tokens import Tokens
from libs.common.errors import NotFound
from libs.common.token_text import split_tokens
from tests.faults.calls import all_ended, words
from tests.integration.calling import eventually

# Seconds that a call, or a broken stream, is tried again: longer than any fault lasts.
PATIENCE = 60.0
_PASSWORD = "correct horse battery staple"


@dataclass
class Asked:
    """A question whose answer has begun, and what was seen of the answer."""

    thread_id: str
    text: str
    answer: Answer
    tokens: list[str] = field(default_factory=list)


class Person:
    """Lives through threads and questions, deletes some, and in the end perhaps their account."""

    def __init__(self, name: str, client: Client, dice: random.Random) -> None:
        self.name = name
        self.user_id = ""
        self.threads: set[str] = set()
        self.deleted: set[str] = set()
        self.asked: list[Asked] = []
        self.deletion = ""
        self._client = client
        self._dice = dice

    async def begin(self, tokens: Tokens) -> None:
        """Opens the account."""
        self.user_id = (await self._client.register(f"{self.name}@example.org", "Somebody", _PASSWORD)).id
        self._client.token = tokens.issue_user(self.user_id, False)[0]

    async def live(self, enough: asyncio.Event) -> None:
        """Does one thing after the other until it is enough; what has been begun is finished."""
        while not enough.is_set():
            act = self._dice.choices(
                (self._open, self._ask, self._ask_and_cancel, self._delete), weights=(2, 6, 1, 1.5), k=1
            )[0]
            await act()
            await asyncio.sleep(self._dice.uniform(0, 0.05))
        if self._dice.random() < 0.5:
            await self.leave()

    async def leave(self) -> None:
        """Deletes the account."""
        self.deletion = (await self._client.delete_user()).id

    async def check(self) -> None:
        """Everything acknowledged is there, and nothing of what was deleted; all of it within `PATIENCE` seconds."""
        if self.deletion:
            await eventually(
                self._deletion_status, lambda status: status == OPERATION_STATUS_COMPLETED, within=PATIENCE
            )
            return
        assert {thread.id async for thread in self._client.list_threads(page_size=100)} == self.threads
        for thread_id in self.threads:
            stored = {message.id: message for message in await eventually(partial(self._said, thread_id), all_ended)}
            assert sorted(one.position for one in stored.values()) == list(range(1, len(stored) + 1))
            for one in (one for one in self.asked if one.thread_id == thread_id):
                message = stored[one.answer.message_id]
                assert stored[message.question_id].content == one.text
                kept = split_tokens(message.tokens)
                assert kept[: len(one.tokens)] == one.tokens, "what was seen is stored"
                if one.answer.final is not None:
                    assert one.answer.final.status == message.status
                    assert one.tokens == kept, "all of it was seen, once"
                if message.status == MESSAGE_STATUS_COMPLETE:
                    assert message.tokens.text == one.text
                else:
                    assert one.text.startswith(message.tokens.text)
        for thread_id in self.deleted:
            try:
                await self._client.get_thread(thread_id)
            except NotFound:
                continue
            raise AssertionError(f"{thread_id} was deleted and is there")

    async def _deletion_status(self) -> int:
        return (await self._client.get_operation(self.deletion)).status

    async def _said(self, thread_id: str) -> list[Message]:
        return [message async for message in self._client.list_messages(thread_id, page_size=100)]

    async def _open(self) -> None:
        # Without a title, so that one is written.
        self.threads.add((await self._client.create_thread()).id)

    async def _ask(self, *, cancel: bool = False) -> None:
        if not self.threads:
            return
        thread_id, text = self._dice.choice(sorted(self.threads)), words(self._dice.randint(1, 120))
        answer = self._client.send(thread_id, "echo", text, busy_policy=BUSY_POLICY_ENQUEUE)
        asked = Asked(thread_id, text, answer)
        stay = self._dice.choice((len(text), self._dice.randint(0, 30)))
        async for event in answer:
            if event.HasField("started"):
                self.asked.append(asked)
            asked.tokens += event.tokens.tokens
            if cancel and asked.tokens:
                await answer.cancel()
            # A viewer who leaves cancels nothing.
            elif len(asked.tokens) > stay:
                await answer.close()
                return

    async def _ask_and_cancel(self) -> None:
        await self._ask(cancel=True)

    async def _delete(self) -> None:
        if len(self.threads) > 1:
            thread_id = self._dice.choice(sorted(self.threads))
            await self._client.delete_thread(thread_id)
            self.threads.remove(thread_id)
            self.deleted.add(thread_id)


class Crowd:
    """Several people at once; each who leaves is followed by another."""

    def __init__(self, addresses: Mapping[str, str], tokens: Tokens, dice: random.Random, size: int = 4) -> None:
        self.people: list[Person] = []
        self._addresses = addresses
        self._tokens = tokens
        self._dice = dice
        self._size = size
        self._clients: list[Client] = []

    @asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        """They live until the context is left, which waits for what each is doing."""
        enough = asyncio.Event()
        async with asyncio.TaskGroup() as lives:
            for place in range(self._size):
                lives.create_task(self._generations(place, enough))
            try:
                yield
            finally:
                enough.set()

    @property
    def keepers(self) -> list[str]:
        """Those who have deleted nothing."""
        return [person.user_id for person in self.people if not (person.deleted or person.deletion)]

    async def check(self) -> None:
        """See `Person.check`; for everyone who ever lived."""
        await asyncio.gather(*(person.check() for person in self.people))

    async def close(self) -> None:
        """Ends their connections."""
        for client in self._clients:
            await client.close()

    async def _generations(self, place: int, enough: asyncio.Event) -> None:
        number = 0
        while not enough.is_set():
            dice = random.Random(f"{self._dice.random()}")  # noqa: S311 # not a secret
            client = Client("", addresses=self._addresses, timeout=PATIENCE, patience=PATIENCE)
            self._clients.append(client)
            person = Person(f"p{place}-{number}", client, dice)
            await person.begin(self._tokens)
            self.people.append(person)
            lifetime = asyncio.Event()
            asyncio.get_running_loop().call_later(dice.uniform(1, 6), lifetime.set)
            await person.live(lifetime)
            number += 1
