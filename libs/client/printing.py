"""How things look on a terminal."""

from __future__ import annotations

from llmchat.messages.v1 import message_pb2
from llmchat.messages.v1.message_pb2 import Message
from llmchat.operations.v1.operation_pb2 import Operation, OperationStatus, OperationType
from llmchat.threads.v1.threads_service_pb2 import ThreadChange
from rich.console import Console
from rich.text import Text

# What a model writes may hold escape sequences, which a terminal would obey.
_CONTROLS = {code: None for code in (*range(32), 127, *range(128, 160)) if chr(code) not in "\n\t"}


def printable(text: str) -> str:
    """`text` without control characters, save line ends and tabs."""
    return text.translate(_CONTROLS)


def text_of(message: Message) -> str:
    """What a message says, whoever wrote it."""
    return message.content if message.HasField("content") else message.tokens.text


def print_error(console: Console, text: str) -> None:
    """One line that says what went wrong."""
    line = " ".join(printable(text).split())
    console.print(Text.assemble(("error: ", "bold red"), line), soft_wrap=True)


def print_note(console: Console, text: str) -> None:
    """A line from the program, as opposed to one from a person or a model."""
    console.print(Text(printable(text), style="dim"), soft_wrap=True)


def print_message(console: Console, message: Message) -> None:
    """One message of a history, under the name of who wrote it."""
    if message.role == message_pb2.ROLE_USER:
        console.print(Text("you", style="bold cyan"))
    else:
        console.print(Text(message.model_id, style="bold green"))
    console.print(Text(printable(text_of(message))), soft_wrap=True)
    print_end(console, message)
    console.print()


def print_end(console: Console, message: Message) -> None:
    """How an answer ended, where that is worth a word."""
    match message.status:
        case message_pb2.MESSAGE_STATUS_CANCELLED:
            print_note(console, "(stopped)")
        case message_pb2.MESSAGE_STATUS_FAILED:
            print_error(console, f"{message.error.message or 'the answer failed'} ({message.error.code})")
        case message_pb2.MESSAGE_STATUS_GENERATING | message_pb2.MESSAGE_STATUS_PENDING:
            print_note(console, "(still being written)")


def print_operation(console: Console, operation: Operation) -> None:
    """One line for an operation as it is: how far, what came of it, or why it failed."""
    kind = OperationType.Name(operation.type).removeprefix("OPERATION_TYPE_").lower()
    status = OperationStatus.Name(operation.status).removeprefix("OPERATION_STATUS_").lower()
    what = " ".join(filter(None, (kind, operation.thread_id, operation.model_id)))
    said = operation.result.title or operation.result.summary
    if operation.HasField("error"):
        said = f"{operation.error.message} ({operation.error.code})"
    outcome = ", ".join(filter(None, (status, f"{operation.progress} %", " ".join(said.split()))))
    console.print(Text(printable(f"{operation.id}  {what}: {outcome}")), soft_wrap=True)


def print_thread_change(console: Console, change: ThreadChange) -> None:
    """One line for a conversation that is new, has changed or is gone."""
    if change.HasField("thread"):
        thread = change.thread
        mark = " (archived)" if thread.settings.is_archived else ""
        title = " ".join(printable(thread.title).split())
        line = f"{thread.id}  {title}{mark}, {thread.total_messages} messages"
        console.print(Text(line), soft_wrap=True)
    else:
        print_note(console, f"{change.deleted_id}  is gone")
