"""How things look on a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from llmchat.catalog.v1.model_config_pb2 import ModelConfig, ModelProvider
from llmchat.messages.v1 import message_pb2
from llmchat.messages.v1.message_pb2 import Message
from llmchat.operations.v1.operations_service_pb2 import Orphan
from llmchat.store.v1.outbox_pb2 import OutboxEvent
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import ThreadChange
from rich.console import Console
from rich.table import Table
from rich.text import Text

from libs.client.replica import Replica

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


def threads_table(threads: Iterable[Thread]) -> Table:
    """Conversations, one a row."""
    table = Table("id", "title", "messages", "models", "last activity", box=None, header_style="bold", pad_edge=False)
    table.columns[0].no_wrap = True
    table.columns[2].justify = "right"
    for thread in threads:
        when = thread.updated_at.ToDatetime().strftime("%Y-%m-%d %H:%M UTC")
        mark = " (archived)" if thread.settings.is_archived else ""
        title = printable(thread.title) + mark
        table.add_row(thread.id, Text(title), str(thread.total_messages), ", ".join(thread.active_models), when)
    return table


def models_table(models: Iterable[ModelConfig]) -> Table:
    """Models, one a row; `context` is in tokens."""
    table = Table("id", "name", "provider", "context", "available", box=None, header_style="bold", pad_edge=False)
    table.columns[0].no_wrap = True
    table.columns[3].justify = "right"
    for model in models:
        provider = ModelProvider.Name(model.provider).removeprefix("MODEL_PROVIDER_").lower()
        available = Text("yes", style="green") if model.status.is_available else Text("no", style="dim")
        table.add_row(model.id, Text(model.name), provider, f"{model.specs.context_length:,}", available)
    return table


def orphans_table(orphans: Iterable[Orphan]) -> Table:
    """Documents that refer to what is not there, one a row."""
    table = Table("service", "collection", "document", "refers to", "which is not there", box=None, header_style="bold")
    for orphan in orphans:
        row = (orphan.service, orphan.collection, orphan.id, orphan.kind, orphan.missing_id)
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table


def events_table(events: Iterable[OutboxEvent], now: int) -> Table:
    """Events that wait, one a row; `now` in milliseconds of the epoch."""
    table = Table(
        "id", "event", "about", "waits for", "failed", "age", "next", box=None, header_style="bold", pad_edge=False
    )
    table.columns[0].no_wrap = True
    table.columns[4].justify = table.columns[5].justify = "right"
    for event in events:
        age = (now - event.created_at.ToMilliseconds()) / 1000
        next_in = (event.next_attempt_at.ToMilliseconds() - now) / 1000
        table.add_row(
            event.id,
            event.type,
            Text(printable(event.aggregate_id)),
            ", ".join(event.waiting_for),
            str(event.attempts),
            _span(age),
            Text("parked", style="bold red") if event.is_parked else f"in {_span(next_in)}" if next_in > 0 else "now",
        )
    return table


def _span(seconds: float) -> str:
    """A time that has passed or is to pass, in its largest unit."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def replicas_table(replicas: Iterable[Replica]) -> Table:
    """Processes, one a row."""
    table = Table("service", "replica", "address", "pid", "state", box=None, header_style="bold", pad_edge=False)
    for replica in replicas:
        pid = "" if replica.pid is None else str(replica.pid)
        table.add_row(replica.name, str(replica.number), replica.address, pid, replica.state.value)
    return table
