"""The collections that every service's store holds beside its own."""

from __future__ import annotations

from llmchat.store.v1.lease_pb2 import Lease
from llmchat.store.v1.migration_pb2 import MigrationRecord
from llmchat.store.v1.outbox_pb2 import InboxMark, OutboxEvent
from llmchat.store.v1.request_pb2 import RequestRecord
from llmchat.store.v1.tombstone_pb2 import Tombstone

from libs.common.store.port import CollectionSpec, Index

# Of the documents that are made new now. One of an earlier version keeps its own until a migration has brought it up to
# date (`libs/common/migrations`); readers meet it as it will be then (`documents/upgraded.py`).
SCHEMA_VERSION = 2

OUTBOX = CollectionSpec(
    "outbox",
    OutboxEvent,
    "event",
    (Index(("is_parked",), "next_attempt_at"), Index(("aggregate_id",), "id")),
    journaled=False,
)
INBOX = CollectionSpec("inbox", InboxMark, "", (Index((), "updated_at"),), journaled=False)
REQUESTS = CollectionSpec("requests", RequestRecord, "", (Index((), "created_at"),), journaled=False)
LEASES = CollectionSpec("leases", Lease, "", (Index((), "expires_at"),), journaled=False)
TOMBSTONES = CollectionSpec("tombstones", Tombstone)
# What has become of each of the service's migrations. Not in the journal, since every page of one moves it.
MIGRATIONS = CollectionSpec("migrations", MigrationRecord, journaled=False)
# Leases of what one process at a time does for the whole service. They are never removed, so that their revisions only
# ever grow.
LOCKS = CollectionSpec("locks", Lease, journaled=False)

SYSTEM_COLLECTIONS = (OUTBOX, INBOX, REQUESTS, LEASES, TOMBSTONES, MIGRATIONS, LOCKS)
