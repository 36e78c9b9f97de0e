"""Accounts as tests ask for them."""

from __future__ import annotations

from typing import Any

from llmchat.users.v1.users_service_pb2 import CreateUserRequest

ADA = "ada@example.org"
PASSWORD = "correct horse battery staple"


def registration(username: str = ADA, password: str = PASSWORD, **more: Any) -> CreateUserRequest:
    """Ada's registration, with what is given in place of hers."""
    return CreateUserRequest(username=username, display_name="Ada", password=password, **more)
