"""The Python client of llmchat and the `llmchat` command: stubs only, no service code."""

from libs.client.answer import Answer
from libs.client.client import Client
from libs.client.session import Session

__all__ = ["Answer", "Client", "Session"]
