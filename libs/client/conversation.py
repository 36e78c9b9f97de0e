"""A conversation on a terminal: questions typed, answers live."""

from __future__ import annotations

import asyncio
import importlib
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from llmchat.messages.v1.message_pb2 import ROLE_ASSISTANT, ROLE_USER, Message, Role
from llmchat.messages.v1.messages_service_pb2 import BUSY_POLICY_INTERRUPT
from rich.console import Console
from rich.text import Text

from libs.client.answer import Answer
from libs.client.client import Client
from libs.client.printing import print_end, print_error, print_message, print_note, printable
from libs.client.tables import models_table, threads_table
from libs.common.errors import DomainError, Unauthenticated

HELP = """\
/new        start another conversation
/threads    your conversations
/history    this conversation from its beginning
/again      another answer to the last question
/edit TEXT  the last question, asked otherwise
/model ID   talk with another model; without an id, the models there are
/help       this
/quit       leave (as Ctrl-D does)
Ctrl-C stops an answer that is being written."""


class Conversation:
    """One person's side of it: what they type becomes a question or a command.

    `thread_id` may be empty: the thread is opened by the first question.
    """

    def __init__(self, client: Client, console: Console, *, model: str, thread_id: str = "") -> None:
        self.model = model
        self.thread_id = thread_id
        self._client = client
        self._console = console

    async def take(self, line: str) -> bool:
        """Does what a typed line says; False when it says to leave. An error is printed, not raised.

        Raises:
            Unauthenticated: the sign-in has ended, so that nothing more can be done.
        """
        command, _, argument = line.strip().partition(" ")
        try:
            match command:
                case "":
                    pass
                case "/quit" | "/exit":
                    return False
                case "/help":
                    print_note(self._console, HELP)
                case "/new":
                    self.thread_id = ""
                    print_note(self._console, "a new conversation")
                case "/threads":
                    self._console.print(threads_table([t async for t in self._client.list_threads(archived=False)]))
                case "/history":
                    await self._history()
                case "/again":
                    await self._answer_again()
                case "/edit":
                    await self._ask_otherwise(argument.strip())
                case "/model":
                    await self._choose_model(argument.strip())
                case _ if command.startswith("/"):
                    print_note(self._console, f"{command} is no command: /help lists them")
                case _:
                    await self._ask(line)
        except Unauthenticated:
            raise
        except DomainError as error:
            print_error(self._console, error.text)
        return True

    async def _history(self) -> None:
        if not self.thread_id:
            print_note(self._console, "nothing has been said yet")
            return
        async for message in self._client.list_messages(self.thread_id):
            print_message(self._console, message)

    async def _choose_model(self, model: str) -> None:
        if not model:
            self._console.print(models_table([m async for m in self._client.list_models()]))
            return
        chosen = await self._client.get_model(model)
        self.model = chosen.id
        print_note(self._console, f"talking with {chosen.name}")

    async def _ask(self, question: str) -> None:
        if not self.thread_id:
            self.thread_id = (await self._client.create_thread()).id
        # An answer that was left behind must not be in the way of the next question.
        await self._follow(self._client.send(self.thread_id, self.model, question, busy_policy=BUSY_POLICY_INTERRUPT))

    async def _answer_again(self) -> None:
        answer = await self._last(ROLE_ASSISTANT)
        if answer is not None:
            await self._follow(self._client.regenerate(answer.id))

    async def _ask_otherwise(self, text: str) -> None:
        question = await self._last(ROLE_USER)
        if question is not None:
            await self._follow(self._client.edit(question.id, text, busy_policy=BUSY_POLICY_INTERRUPT))

    async def _last(self, role: Role) -> Message | None:
        """The last message of one role to or from the model, if there is any."""
        if self.thread_id:
            listed = self._client.list_messages(self.thread_id, model_id=self.model, oldest_first=False, page_size=2)
            async for message in listed:
                if message.role == role:
                    return message
        print_note(self._console, "nothing has been said yet")
        return None

    async def _follow(self, answer: Answer) -> None:
        showing = asyncio.create_task(self._show(answer))
        cancelling: list[asyncio.Task[object]] = []

        def interrupt() -> None:
            if cancelling:
                showing.cancel()
            else:
                cancelling.append(asyncio.create_task(answer.cancel()))

        with _on_ctrl_c(interrupt):
            await asyncio.wait([showing])
            if showing.cancelled():
                for task in cancelling:
                    task.cancel()
            cancelled = await asyncio.gather(*cancelling, return_exceptions=True)
        if showing.cancelled():
            print_note(self._console, "(left; /history shows what became of it)")
            return
        await showing
        for failure in cancelled:
            if isinstance(failure, DomainError):
                raise failure
        if answer.reopened:
            times = "once" if answer.reopened == 1 else f"{answer.reopened} times"
            print_note(self._console, f"(the connection was lost {times}; nothing of the answer was)")

    async def _show(self, answer: Answer) -> None:
        self._console.print(Text(f"{self.model} › ", style="bold green"), end="")
        try:
            async for token in answer.tokens():
                self._console.print(Text(printable(token)), end="", soft_wrap=True)
        finally:
            self._console.print()
        if answer.final is not None:
            print_end(self._console, answer.final)


def converse(runner: asyncio.Runner, conversation: Conversation, console: Console) -> None:
    """Takes lines until there are no more, or one says to leave.

    Lines are read while the loop rests, so that Ctrl-C at the prompt is the prompt's, and during an answer the
    answer's.
    """
    prompt = ""
    if console.is_terminal:
        # The import alone gives `input` line editing and a history. \001 and \002 mark what has no width.
        with suppress(ImportError):
            importlib.import_module("readline")
        prompt = "\001\033[1;36m\002you ›\001\033[0m\002 "
    while True:
        try:
            line = input(prompt)
        except EOFError:
            console.print()
            return
        except KeyboardInterrupt:
            console.print()
            print_note(console, "(Ctrl-D or /quit leaves)")
            continue
        if not runner.run(conversation.take(line)):
            return


@contextmanager
def _on_ctrl_c(callback: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, callback)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
