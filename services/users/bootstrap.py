"""Wires the users service into a process."""

from __future__ import annotations

from typing import cast

from google.protobuf.message import Message
from llmchat.events.v1.events_pb2 import UserDeleted
from llmchat.operations.v1.operations_service_pb2_grpc import OperationsServiceStub
from llmchat.store.v1.outbox_pb2 import OutboxEvent
from llmchat.users.v1.users_service_pb2 import DESCRIPTOR

from libs.common.crypto.passwords import Passwords
from libs.common.documents.unit import Unit
from libs.common.process import Process
from services.users.collections import COLLECTIONS
from services.users.deletion import advance_deletion
from services.users.references import REFERENCES
from services.users.service import UsersService
from services.users.subscribers import subscriptions


async def bootstrap(process: Process) -> None:
    """Serves accounts and sign-in, sees deletions through, follows what is deprecated."""
    documents = await process.documents("users", COLLECTIONS)
    process.references("users", documents, REFERENCES)
    channels = process.channels("users")

    async def user_deletion_acknowledged(unit: Unit, event: OutboxEvent, payload: Message) -> None:
        await advance_deletion(unit, outbox, event, cast(UserDeleted, payload))

    outbox = process.outbox("users", documents, {"user.deleted": user_deletion_acknowledged})
    process.consume("users", documents, channels, subscriptions())
    passwords = Passwords()
    process.stack.callback(passwords.close)
    operations = channels.stub("operations", OperationsServiceStub)
    life = int(process.settings.token_life)
    service = UsersService(documents, outbox, operations, passwords, process.tokens, life)
    process.server.add(DESCRIPTOR.services_by_name["UsersService"], service)
