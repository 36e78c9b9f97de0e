"""What must be true of answers in every scenario that has some."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from llmchat.messages.stored.v1.stream_pb2 import Conversation
from llmchat.messages.v1.message_pb2 import MESSAGE_STATUS_COMPLETE, ROLE_ASSISTANT, Message

from libs.common.store.port import Put, Write
from libs.common.token_text import split_tokens
from services.messages.branches import Path, active_path
from services.messages.collections import CONVERSATIONS, MESSAGES
from services.messages.rules import has_ended
from services.threads.collections import THREADS
from tests.simulation.client import Reader
from tests.simulation.house import House
from tests.simulation.simulation import Simulation


def is_complete_answer(message: Message) -> bool:
    """Whether it is an answer that ended as it should."""
    return message.role == ROLE_ASSISTANT and message.status == MESSAGE_STATUS_COMPLETE


class AnswersEndOnce:
    """Watches every commit: an answer that has ended never changes again."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._ended: dict[str, bytes] = {}
        simulation.observe("messages", self._look)

    def _look(self, writes: Sequence[Write]) -> None:
        for write in writes:
            if isinstance(write, Put) and isinstance(write.message, Message) and has_ended(write.message):
                body = write.message.SerializeToString(deterministic=True)
                held = self._ended.setdefault(write.id, body) == body
                self._simulation.require(held, f"{write.id}: ended, and changed after that")


def check_reader(simulation: Simulation, reader: Reader, answer: Message) -> None:
    """What was read is what is stored, up to where it was read."""
    stored = split_tokens(answer.tokens, reader.after_seq)
    name = f"{answer.id} from {reader.after_seq}"
    simulation.require(reader.tokens == stored[: len(reader.tokens)], f"{name}: read {reader.tokens}, stored {stored}")
    if reader.ended is not None:
        simulation.require(reader.tokens == stored, f"{name}: it ended after {len(reader.tokens)} of {len(stored)}")
        simulation.require(reader.ended.status == answer.status, f"{name}: it ended in another way than is stored")


def check_answer(simulation: Simulation, house: House, answer: Message) -> None:
    """It has ended, with tokens of one attempt: all of them where it is complete."""
    tokens = split_tokens(answer.tokens, 0)
    attempts = {int(token.partition(".")[0]) for token in tokens}
    simulation.require(has_ended(answer), f"{answer.id}: it has not ended")
    simulation.require(len(attempts) <= 1, f"{answer.id}: spliced of {sorted(attempts)}")
    for attempt in attempts:
        wanted = [f"{attempt}.{number} " for number in range(1, len(tokens) + 1)]
        simulation.require(tokens == wanted, f"{answer.id}: its tokens are {tokens}")
        if answer.status == MESSAGE_STATUS_COMPLETE:
            simulation.require(len(tokens) == house.said[attempt], f"{answer.id}: complete, and tokens are missing")


def check_conversations(simulation: Simulation, trimmed: Collection[str] = ()) -> None:
    """Nobody's turn is left, places are taken once, and each thread has counted every message once.

    There are no gaps but in threads that are `trimmed`. Every message stands behind its parent on its branch's path.
    """
    messages = simulation.engine("messages")
    threads = simulation.engine("threads")
    for conversation in messages.all(CONVERSATIONS):
        said = [one for one in messages.all(MESSAGES) if one.thread_id == conversation.id]
        for model_id, turns in sorted(conversation.turns.items()):
            free = not turns.running and not turns.waiting
            simulation.require(free, f"{conversation.id}: {model_id} still has a turn: {turns}")
        if conversation.deleted:
            simulation.require(not said, f"{conversation.id}: deleted, and holds messages")
            continue
        places = sorted(one.position for one in said)
        held = len({*places}) == len(said) if conversation.id in trimmed else places == list(range(1, len(said) + 1))
        simulation.require(held, f"{conversation.id}: places {places}")
        _check_paths(simulation, conversation, {one.id: one for one in said})
        thread = threads.find(THREADS, conversation.id)
        if thread is not None:
            answers = [one for one in said if one.role == ROLE_ASSISTANT]
            total = len(said)
            simulation.require(thread.total_messages == total, f"{thread.id}: {thread.total_messages}, not {total}")
            used = sum(usage.total_tokens_used for usage in thread.models.values())
            tokens = sum(one.context_tokens + one.total_tokens for one in answers)
            simulation.require(used == tokens, f"{thread.id}: {used} tokens, not {tokens}")


def _check_paths(simulation: Simulation, conversation: Conversation, said: Mapping[str, Message]) -> None:
    name = conversation.id
    simulation.require(not conversation.removals, f"{name}: what was deleted is still marked")
    for one in said.values():
        if one.parent_id in said:
            parent, path = said[one.parent_id], Path(conversation, one.model_id, one.branch)
            held = path.holds(parent) and parent.position < one.position
            simulation.require(held, f"{name}: {one.id} does not stand behind {parent.id}")
    for model_id, head in sorted(conversation.heads.items()):
        way = []
        while head in said:
            way.append(head)
            head = said[head].parent_id
        path = active_path(conversation, model_id)
        shown = {one.id for one in said.values() if path.holds(one)}
        simulation.require(shown == {*way}, f"{name}: {model_id}'s path is {sorted(shown)}, not {way}")
