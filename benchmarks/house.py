"""What benchmarks do before they measure: threads by RPC, where no file can be filled beforehand."""

from __future__ import annotations

from llmchat.messages.v1.messages_service_pb2 import SendMessageRequest
from llmchat.threads.v1.thread_pb2 import Thread
from llmchat.threads.v1.threads_service_pb2 import CreateThreadRequest

from benchmarks.filling import MODEL
from benchmarks.load import Client, Target
from benchmarks.server import Server

THREADS_SERVICE = "/llmchat.threads.v1.ThreadsService"
MESSAGES_SERVICE = "/llmchat.messages.v1.MessagesService"
USER = "user_bench"


def target(server: Server, method: str) -> Target:
    """A method, called by the one user of the benchmarks."""
    return Target(server.address, method, server.metadata(USER))


def create_threads(client: Client, server: Server, count: int) -> list[str]:
    """New threads of the user's, by their ids; they have titles, so that no model is asked for any."""
    body = CreateThreadRequest(title="A conversation").SerializeToString()
    answers = client.answers(target(server, f"{THREADS_SERVICE}/CreateThread"), [body] * count)
    return [Thread.FromString(answer).id for answer in answers]


def questions(thread_ids: list[str], content: str) -> list[bytes]:
    """The same question in each of the threads."""
    return [SendMessageRequest(thread_id=id, model_id=MODEL, content=content).SerializeToString() for id in thread_ids]
