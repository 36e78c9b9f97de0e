"""Threads and messages put into the store files before a server opens them: 10,000 calls would take too long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from llmchat.messages.stored.v1.stream_pb2 import Chunk, Conversation
from llmchat.messages.v1.message_pb2 import (
    MESSAGE_STATUS_COMPLETE,
    MESSAGE_STATUS_GENERATING,
    ROLE_ASSISTANT,
    ROLE_USER,
    Message,
)
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.clock import timestamp, wall_clock
from libs.common.documents.system import SYSTEM_COLLECTIONS
from libs.common.documents.unit import Unit, new_id
from libs.common.store.open import open_store
from libs.common.store.port import CollectionSpec
from libs.common.token_text import join_tokens
from services.messages.collections import CHUNKS, CONVERSATIONS, MESSAGES
from services.messages.collections import COLLECTIONS as MESSAGES_COLLECTIONS
from services.threads.collections import COLLECTIONS as THREADS_COLLECTIONS
from services.threads.collections import THREADS

MODEL = "echo"
# The mean lengths, in characters, of MT-bench's questions and of GPT-4's answers to them.
QUESTION, ANSWER = 200, 750
_A_COMMIT = 500


def words(characters: int) -> list[str]:
    """Tokens of about five characters that make a text of this length."""
    whole, rest = divmod(characters, 5)
    return [" word"] * whole + (["." * rest] if rest else [])


async def fill_threads(folder: Path, user_id: str, count: int) -> list[str]:
    """Threads with titles, a millisecond apart; their ids."""
    now = wall_clock()
    made = [
        Thread(
            id=new_id(THREADS),
            user_id=user_id,
            title=f"Conversation number {number}",
            has_title=True,
            created_at=timestamp(now - number),
            updated_at=timestamp(now - number),
        )
        for number in range(count)
    ]
    await _store(folder, "threads", ((THREADS, thread) for thread in made))
    return [thread.id for thread in made]


async def fill_conversation(folder: Path, user_id: str, thread_id: str, messages: int) -> None:
    """Questions and answers in turn, of the lengths above."""
    conversation = Conversation(id=thread_id, user_id=user_id, last_position=messages)
    said = ((MESSAGES, _message(user_id, thread_id, position)) for position in range(1, messages + 1))
    await _store(folder, "messages", [(CONVERSATIONS, conversation), *said])


async def fill_running(folder: Path, user_id: str, thread_id: str, tokens: int, chunk: int) -> str:
    """An answer that still runs, for ever: its tokens are stored in chunks of `chunk`. Its id."""
    answer = _message(user_id, thread_id, 2)
    answer.ClearField("tokens")
    answer.status, answer.is_streaming = MESSAGE_STATUS_GENERATING, True
    prefix = f"{answer.id}.{answer.generation}"
    chunks = (
        (CHUNKS, Chunk(id=f"{prefix}.{seq:06}", first_seq=seq, tokens=join_tokens([" word"] * chunk)))
        for seq in range(1, tokens + 1, chunk)
    )
    await _store(folder, "messages", [(MESSAGES, answer), *chunks])
    return answer.id


async def fill_finished(folder: Path, user_id: str, thread_id: str, tokens: int) -> str:
    """An answer that has ended, with this many tokens. Its id."""
    answer = _message(user_id, thread_id, 2)
    answer.tokens.CopyFrom(join_tokens([" word"] * tokens))
    await _store(folder, "messages", [(MESSAGES, answer)])
    return answer.id


def _message(user_id: str, thread_id: str, position: int) -> Message:
    now = timestamp(wall_clock())
    message = Message(
        id=new_id(MESSAGES),
        thread_id=thread_id,
        model_id=MODEL,
        user_id=user_id,
        status=MESSAGE_STATUS_COMPLETE,
        created_at=now,
        updated_at=now,
        position=position,
    )
    if position % 2:
        message.role = ROLE_USER
        message.content = "".join(words(QUESTION))
        return message
    message.role = ROLE_ASSISTANT
    message.tokens.CopyFrom(join_tokens(words(ANSWER)))
    message.generation = "01k00000000000000000000000"
    message.total_tokens = len(message.tokens.lengths)
    message.generation_started_at.CopyFrom(now)
    message.generation_completed_at.CopyFrom(now)
    return message


async def _store(folder: Path, service: str, documents: Iterable[tuple[CollectionSpec[Any], Any]]) -> None:
    # As the service itself declares them: it may have the file open.
    specs = {"threads": THREADS_COLLECTIONS, "messages": MESSAGES_COLLECTIONS}
    store = await open_store(f"sqlite:///{folder}", service, (*specs[service], *SYSTEM_COLLECTIONS))
    try:
        for batch in _batches(iter(documents)):
            unit = Unit(store, wall_clock())
            for spec, document in batch:
                unit.create(spec, document)
            await unit.commit()
    finally:
        await store.close()


def _batches(documents: Iterator[tuple[CollectionSpec[Any], Any]]) -> Iterator[list[tuple[CollectionSpec[Any], Any]]]:
    while batch := list(islice(documents, _A_COMMIT)):
        yield batch
