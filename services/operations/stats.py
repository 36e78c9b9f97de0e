"""What there is and what was done, added up from events.

Each event's handler counts in the commit of its mark in the inbox, so that one that comes twice counts once and the
sums are exact. They are sums alone: events may come in any order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from llmchat.events.v1.events_pb2 import (
    CallsCounted,
    GenerationFinished,
    MessagesImported,
    MessagesRemoved,
    ThreadCreated,
    UserCreated,
)
from llmchat.operations.stored.v1.system_pb2 import DayCounts, ModelCounts, StatsShard
from llmchat.operations.v1.system_stats_pb2 import DailyStats, ModelStats, SystemStats

from libs.common.clock import milliseconds, timestamp
from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.store.port import MAX_PAGE, Query
from services.operations.collections import DAY_COUNTS, STATS

# Units that run at the same time seldom meet in one of so many.
_SHARDS = 8
_DAYS = 30


async def count_user(unit: Unit, event: UserCreated) -> None:
    """Stages one more account."""
    (await _shard(unit)).users_created += 1
    (await _day(unit, _date(event.created_at))).new_users += 1


async def count_thread(unit: Unit, event: ThreadCreated) -> None:
    """Stages one more thread."""
    (await _shard(unit)).threads_created += 1
    (await _day(unit, _date(event.created_at))).new_threads += 1


async def count_generation(unit: Unit, event: GenerationFinished) -> None:
    """Stages one more answer, with what it adds to its thread."""
    shard = await _shard(unit)
    shard.messages_created += event.messages
    shard.tokens_processed += event.tokens
    shard.cost_nanos += event.cost_nanos
    model = shard.models[event.model_id]
    model.calls += 1
    model.failures += event.failed
    model.tokens += event.tokens
    model.milliseconds += event.milliseconds
    model.cost_nanos += event.cost_nanos
    day = await _day(unit, _date(event.finished_at))
    day.messages_generated += 1
    day.tokens_processed += event.tokens


async def count_imported(unit: Unit, event: MessagesImported) -> None:
    """Stages messages that were brought in from elsewhere: nothing was generated, and no tokens were processed."""
    (await _shard(unit)).messages_created += sum(event.messages.values())


async def count_removed_messages(unit: Unit, event: MessagesRemoved) -> None:
    """Stages that messages are gone."""
    shard = await _shard(unit)
    for removed in event.models.values():
        shard.messages_removed += removed.messages
        shard.tokens_removed += removed.tokens


async def count_removed(unit: Unit, *, users: int = 0, threads: int = 0, messages: int = 0, tokens: int = 0) -> None:
    """Stages that so much is gone."""
    shard = await _shard(unit)
    shard.users_removed += users
    shard.threads_removed += threads
    shard.messages_removed += messages
    shard.tokens_removed += tokens


async def count_calls(unit: Unit, event: CallsCounted) -> None:
    """Stages the calls that a process tells of."""
    (await _day(unit, event.date)).api_calls += event.calls


async def read_stats(documents: Documents, days: int) -> SystemStats:
    """All sums, and those of the last `days` days in UTC, today among them; 0 stands for 30."""
    total = StatsShard()
    for shard in await documents.query(Query.by_id(STATS)):
        _add_up(total, shard)
    today = datetime.fromtimestamp(documents.clock() / 1000, UTC).date()
    first = today - timedelta(days=(days or _DAYS) - 1)
    daily: defaultdict[str, DailyStats] = defaultdict(DailyStats)
    async for counts in _days_since(documents, first.isoformat()):
        date = counts.id.partition(".")[0]
        day = daily[date]
        day.date = date
        for name in ("new_users", "new_threads", "messages_generated", "tokens_processed", "api_calls"):
            setattr(day, name, getattr(day, name) + getattr(counts, name))
    return SystemStats(
        total_users=total.users_created - total.users_removed,
        total_threads=total.threads_created - total.threads_removed,
        total_messages=total.messages_created - total.messages_removed,
        total_tokens_processed=total.tokens_processed,
        total_cost_nanos=total.cost_nanos,
        daily_stats=[daily[date] for date in sorted(daily, reverse=True)],
        model_usage={id: _model_stats(counts) for id, counts in total.models.items()},
        updated_at=total.updated_at if total.HasField("updated_at") else None,
    )


async def _shard(unit: Unit) -> StatsShard:
    """Staged already: what is added to it before the commit is stored."""
    id = f"stats.{unit.now % _SHARDS}"
    shard = await unit.find(STATS, id) or StatsShard(id=id)
    shard.updated_at.CopyFrom(timestamp(unit.now))
    return unit.put(STATS, shard)


async def _day(unit: Unit, date: str) -> DayCounts:
    """As `_shard`, of a day."""
    id = f"{date}.{unit.now % _SHARDS}"
    return unit.put(DAY_COUNTS, await unit.find(DAY_COUNTS, id) or DayCounts(id=id))


def _date(at: Timestamp) -> str:
    return datetime.fromtimestamp(milliseconds(at) / 1000, UTC).date().isoformat()


async def _days_since(documents: Documents, date: str) -> AsyncIterator[DayCounts]:
    # No id is as short as a date: each of that day comes after it.
    after = date
    while True:
        page = await documents.query(Query.by_id(DAY_COUNTS, after=after, limit=MAX_PAGE))
        for counts in page:
            yield counts
        if len(page) < MAX_PAGE:
            return
        after = page[-1].id


def _add_up(total: StatsShard, shard: StatsShard) -> None:
    for field in shard.DESCRIPTOR.fields:
        if field.type == field.TYPE_INT64:
            setattr(total, field.name, getattr(total, field.name) + getattr(shard, field.name))
    for id, counts in shard.models.items():
        model = total.models[id]
        model.calls += counts.calls
        model.failures += counts.failures
        model.tokens += counts.tokens
        model.milliseconds += counts.milliseconds
        model.cost_nanos += counts.cost_nanos
    if milliseconds(shard.updated_at) > milliseconds(total.updated_at):
        total.updated_at.CopyFrom(shard.updated_at)


def _model_stats(counts: ModelCounts) -> ModelStats:
    calls = counts.calls or 1
    return ModelStats(
        total_calls=counts.calls,
        total_tokens=counts.tokens,
        avg_response_time=counts.milliseconds / calls,
        error_rate=100 * counts.failures / calls,
        cost_nanos=counts.cost_nanos,
    )
