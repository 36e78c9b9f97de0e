"""Everything counted anew from the documents, beside what has been added up from events."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from google.protobuf.message import Message as AnyMessage
from llmchat.messages.v1.message_pb2 import ROLE_ASSISTANT, Message
from llmchat.users.v1.user_pb2 import UserUsage

from libs.common.store.port import CollectionSpec
from services.messages.collections import MESSAGES
from services.operations.collections import DAY_COUNTS, STATS
from services.threads.collections import THREADS
from services.users.collections import USAGES, USERS
from tests.integration.tables import bodies

M = TypeVar("M", bound=AnyMessage)

# What is looked at: service and collection.
RECOUNTED: Sequence[tuple[str, CollectionSpec[Any]]] = (
    ("users", USERS),
    ("users", USAGES),
    ("threads", THREADS),
    ("messages", MESSAGES),
    ("operations", STATS),
    ("operations", DAY_COUNTS),
)


class Read(Protocol):
    """Gives all documents of a service's collection."""

    def __call__(self, service: str, spec: CollectionSpec[M], /) -> Iterable[M]: ...


class StoredIn:
    """The SQLite files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, service: str, spec: CollectionSpec[M], /) -> Iterable[M]:
        """See `Read`."""
        return [spec.message.FromString(body) for body in bodies(self._folder, service, spec.name)]


class Recount:
    """What is wrong with the statistics, the totals of threads and people's usage, once every event is handled."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._wrong: list[str] = []
        self._messages = list(read("messages", MESSAGES))

    def wrong(self, keepers: Collection[str] = ()) -> list[str]:
        """In words. `keepers`: people who have deleted nothing, so that what they have is what they have used."""
        self._check_stats()
        self._check_threads()
        self._check_usages(keepers)
        return self._wrong

    def _check_stats(self) -> None:
        total: Counter[str] = Counter()
        calls = model_tokens = 0
        for shard in self._read("operations", STATS):
            for field, value in shard.ListFields():
                if field.type == field.TYPE_INT64:
                    total[field.name] += value
            calls += sum(model.calls for model in shard.models.values())
            model_tokens += sum(model.tokens for model in shard.models.values())
        there = {
            "users": len(list(self._read("users", USERS))),
            "threads": len(list(self._read("threads", THREADS))),
            "messages": len(self._messages),
        }
        for name, count in there.items():
            self._compare(name, total[f"{name}_created"] - total[f"{name}_removed"], count)
        tokens = sum(map(_tokens, self._messages))
        self._compare("tokens", total["tokens_processed"] - total["tokens_removed"], tokens)
        self._compare("tokens of models", model_tokens, total["tokens_processed"])

        days: Counter[str] = Counter()
        for day in self._read("operations", DAY_COUNTS):
            days.update({field.name: value for field, value in day.ListFields() if field.type == field.TYPE_INT64})
        self._compare("new users of all days", days["new_users"], total["users_created"])
        self._compare("new threads of all days", days["new_threads"], total["threads_created"])
        self._compare("answers of all days", days["messages_generated"], calls)
        self._compare("tokens of all days", days["tokens_processed"], total["tokens_processed"])

    def _check_threads(self) -> None:
        said: defaultdict[str, list[Message]] = defaultdict(list)
        for message in self._messages:
            said[message.thread_id].append(message)
        for thread in self._read("threads", THREADS):
            messages = said[thread.id]
            models: defaultdict[str, Counter[str]] = defaultdict(Counter)
            for message in messages:
                models[message.model_id].update(messages=1, tokens=_tokens(message))
            self._compare(f"{thread.id}: messages", thread.total_messages, len(messages))
            for model_id in {*models, *thread.models}:
                usage, counted = thread.models[model_id], models[model_id]
                self._compare(f"{thread.id}: {model_id}'s messages", usage.message_count, counted["messages"])
                self._compare(f"{thread.id}: {model_id}'s tokens", usage.total_tokens_used, counted["tokens"])

    def _check_usages(self, keepers: Collection[str]) -> None:
        has: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for thread in self._read("threads", THREADS):
            has[thread.user_id]["threads"] += 1
        for message in self._messages:
            has[message.user_id].update(messages=1, tokens=_tokens(message))
        usages = {record.id: record.usage for record in self._read("users", USAGES)}
        for user in self._read("users", USERS):
            usage = usages.pop(user.id, UserUsage())
            used = {"threads": usage.total_threads, "messages": usage.total_messages, "tokens": usage.total_tokens}
            for name, count in used.items():
                if user.id in keepers:
                    self._compare(f"{user.id}: {name} used", count, has[user.id][name])
                elif count < has[user.id][name]:
                    self._wrong.append(f"{user.id}: {count} {name} used, and {has[user.id][name]} are there")
        self._wrong += [f"{id} is gone, and what they used is not" for id in usages]

    def _compare(self, what: str, counted: int, there: int) -> None:
        if counted != there:
            self._wrong.append(f"{what}: {counted} by events, {there} by documents")


def _tokens(message: Message) -> int:
    return message.context_tokens + message.total_tokens if message.role == ROLE_ASSISTANT else 0
