"""The scripted conversation of `llmchat demo`: a connection is lost in mid-answer, and nothing with it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping

from llmchat.messages.v1 import message_pb2
from llmchat.operations.v1.operation_pb2 import OPERATION_TYPE_GENERATE_TITLE, Operation, OperationStatus
from rich.console import Console
from rich.text import Text

from libs.client.answer import Answer
from libs.client.client import Client
from libs.client.printing import print_message, printable
from libs.common.errors import DeadlineExceeded, DomainError

_QUESTION = (
    "Please tell this back to me, one token at a time: a stream that breaks in the middle is not a story that ends. "
    "Somewhere a machine goes on writing, and when we return we ask for the rest, from the very word we heard last."
)
_TOKENS_BEFORE_THE_DROP = 12
# Seconds.
_AWAY = 0.5
_TITLE_TIME = 20.0


async def converse_by_script(places: Mapping[str, str], console: Console) -> None:
    """Registers, asks, drops the connection in mid-answer, resumes, and compares with what is stored.

    `places` are the services' addresses.

    Raises:
        DomainError: a step failed, or what was seen is not what is stored.
    """
    say = _Steps(console)
    say.step("register and log in")
    async with Client(addresses=places) as first:
        username, password = f"demo-{secrets.token_hex(4)}@example.com", secrets.token_urlsafe(16)
        user = await first.register(username, "Demo", password)
        await first.login(username, password)
        session = first.session
        say.fact(f"user {user.id}, {user.username}")

        say.step("open a conversation and ask the echo model")
        thread = await first.create_thread()
        say.fact(f"thread {thread.id}, called “{thread.title}” for now")
        say.fact(f"question: {_QUESTION}")

        say.step(f"watch the answer, and drop the connection once {_TOKENS_BEFORE_THE_DROP} tokens have come")
        answer = first.send(thread.id, "echo", _QUESTION)
        before = await _watch(answer, console, stop_at=_TOKENS_BEFORE_THE_DROP)
    say.fact(f"connection closed after token {answer.seq}; the server writes on, with nobody watching")
    await asyncio.sleep(_AWAY)

    async with Client(addresses=places, session=session) as second:
        say.step(f"come back on a new connection and resume after token {answer.seq}")
        rest = second.resume(answer.message_id, after_seq=answer.seq)
        after = await _watch(rest, console)

        say.step("compare with what is stored")
        stored = [message async for message in second.list_messages(thread.id)]
        _check(say, before, after, answer.text + rest.text, stored[-1])

        say.step("the title, written by a background operation after the first answer")
        operation = await _title_operation(second, thread.id)
        say.fact(f"operation {operation.id}: {OperationStatus.Name(operation.status)}")
        say.fact(f"the conversation is now called “{(await second.get_thread(thread.id)).title}”")

        say.step("read the history")
        for message in stored:
            print_message(console, message)


class _Steps:
    """Numbers the steps and prints them."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._number = 0

    def step(self, text: str) -> None:
        """What happens next."""
        self._number += 1
        self._console.print(Text(f"\n{self._number}. {text}", style="bold"), soft_wrap=True)

    def fact(self, text: str) -> None:
        """What came of it."""
        self._console.print(Text(f"   {text}"), soft_wrap=True)


async def _watch(answer: Answer, console: Console, *, stop_at: int | None = None) -> list[int]:
    """Prints the tokens as they arrive, to the end or to token `stop_at`; gives the numbers of those that came."""
    numbers: list[int] = []
    console.print("   ", end="")
    async for event in answer:
        tokens = event.tokens.tokens
        numbers += range(event.seq - len(tokens) + 1, event.seq + 1)
        console.print(Text(printable("".join(tokens))), end="", soft_wrap=True)
        if stop_at is not None and event.seq >= stop_at:
            break
    console.print()
    return numbers


def _check(say: _Steps, before: list[int], after: list[int], seen: str, stored: message_pb2.Message) -> None:
    numbers = before + after
    duplicates = len(numbers) - len(set(numbers))
    gaps = len(set(range(1, len(stored.tokens.lengths) + 1)) - set(numbers))
    say.fact(f"tokens before the drop: {len(before)}")
    say.fact(f"tokens after the resume: {len(after)}")
    say.fact(f"duplicates: {duplicates}")
    say.fact(f"gaps: {gaps}")
    say.fact(f"stored answer: {len(stored.tokens.lengths)} tokens, {len(stored.tokens.text)} characters")
    complete = stored.status == message_pb2.MESSAGE_STATUS_COMPLETE
    if not complete or duplicates or gaps or seen != stored.tokens.text:
        raise DomainError("what was seen is not what is stored", reason="DATA_LOSS")
    say.fact("what was seen is, character for character, what is stored")


async def _title_operation(client: Client, thread_id: str) -> Operation:
    """The operation that gives the title, once it has ended."""
    try:
        async with asyncio.timeout(_TITLE_TIME):
            while True:
                async for operation in client.list_operations(thread_id=thread_id):
                    if operation.type == OPERATION_TYPE_GENERATE_TITLE:
                        return await _ended(client, operation)
                # The answer's end is announced to the operations service in the background.
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise DeadlineExceeded(f"no title was written within {_TITLE_TIME:.0f} seconds") from None


async def _ended(client: Client, operation: Operation) -> Operation:
    async for later in client.watch_operation(operation.id):
        operation = later
    return operation
