"""What the operations service stores."""

from __future__ import annotations

from llmchat.operations.stored.v1.system_pb2 import DayCounts, RemovedTotals, StatsShard
from llmchat.operations.stored.v1.unended_operation_pb2 import UnendedOperation
from llmchat.operations.v1.audit_event_pb2 import AuditEvent
from llmchat.operations.v1.operation_pb2 import Operation
from llmchat.operations.v1.system_config_pb2 import SystemConfig

from libs.common.store.port import CollectionSpec, Index

OPERATIONS = CollectionSpec(
    "operations",
    Operation,
    "op",
    (
        Index(("user_id",), "created_at"),
        Index(("user_id", "thread_id"), "created_at"),
        Index(("thread_id",), "created_at"),
        # What runs.
        Index(("status",), "error.next_retry_at"),
        # What is due: an operation that waits for no retry counts as zero and comes first.
        Index(("status", "priority"), "error.next_retry_at"),
    ),
)

# What is under way, under what it is about.
UNENDED_OPERATIONS = CollectionSpec("unended_operations", UnendedOperation, indexes=(Index(("user_id",), "id"),))

# Holds the totals of what deleted people had.
SYSTEM = CollectionSpec("system", RemovedTotals)

# Sums of what other services tell of; not in the journal, since every event moves them.
STATS = CollectionSpec("stats", StatsShard, journaled=False)
DAY_COUNTS = CollectionSpec("day_counts", DayCounts, journaled=False)

# Holds the one configuration.
SYSTEM_CONFIG = CollectionSpec("system_config", SystemConfig)

# Appended to, and never changed.
AUDIT_LOGS = CollectionSpec(
    "audit_logs",
    AuditEvent,
    "audit",
    (
        Index((), "at"),
        Index(("user_id",), "at"),
        Index(("entity_type", "entity_id"), "at"),
        Index(("action",), "at"),
        Index(("user_id", "action"), "at"),
    ),
)

COLLECTIONS = (OPERATIONS, UNENDED_OPERATIONS, SYSTEM, STATS, DAY_COUNTS, SYSTEM_CONFIG, AUDIT_LOGS)
