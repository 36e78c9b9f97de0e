"""Wires the users service into a process."""

from __future__ import annotations

from llmchat.users.v1.users_service_pb2 import DESCRIPTOR

from libs.common.crypto.passwords import Passwords
from libs.common.process import Process
from services.users.collections import COLLECTIONS
from services.users.service import UsersService


async def bootstrap(process: Process) -> None:
    """Serves accounts and sign-in."""
    documents = await process.documents("users", COLLECTIONS)
    passwords = Passwords()
    process.stack.callback(passwords.close)
    service = UsersService(documents, passwords, process.tokens, int(process.settings.token_life))
    process.server.add(DESCRIPTOR.services_by_name["UsersService"], service)
