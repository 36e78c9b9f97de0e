"""Changing one's password."""

from __future__ import annotations

from google.protobuf.empty_pb2 import Empty
from llmchat.users.v1.users_service_pb2 import ChangePasswordRequest

from libs.common.context import Call


class PasswordChange:
    """Replaces passwords."""

    async def change(self, call: Call, request: ChangePasswordRequest) -> Empty:
        raise NotImplementedError
