"""Whose turn it is: per thread and model one answer is generated at a time, the others wait."""

from __future__ import annotations

from llmchat.messages.stored.v1.stream_pb2 import Conversation
from llmchat.messages.v1.messages_service_pb2 import BUSY_POLICY_ENQUEUE, BUSY_POLICY_INTERRUPT, BusyPolicy

from libs.common.errors import Exhausted, Precondition

MAX_WAITING = 20


def take_turn(conversation: Conversation, model_id: str, message_id: str, policy: BusyPolicy) -> str:
    """Gives the answer `message_id` its place; returns the answer that it must wait for, empty when it may begin.

    Raises:
        Precondition: the model is busy here and the policy is to reject (reason THREAD_BUSY).
        Exhausted: too many answers wait already.
    """
    turns = conversation.turns[model_id]
    if not turns.running:
        turns.running = message_id
        return ""
    if policy not in (BUSY_POLICY_ENQUEUE, BUSY_POLICY_INTERRUPT):
        raise Precondition(
            f"{model_id} is still answering in this thread",
            reason="THREAD_BUSY",
            metadata={"message_id": turns.running},
        )
    if len(turns.waiting) >= MAX_WAITING:
        raise Exhausted(f"{MAX_WAITING} messages wait for {model_id} in this thread already", reason="QUEUE_FULL")
    turns.waiting.insert(0 if policy == BUSY_POLICY_INTERRUPT else len(turns.waiting), message_id)
    return turns.running


def leave_turn(conversation: Conversation, model_id: str, message_id: str) -> str:
    """Takes the answer out; returns the one that may begin now, empty when none does."""
    turns = conversation.turns[model_id]
    if message_id in turns.waiting:
        turns.waiting.remove(message_id)
    if turns.running == message_id:
        turns.running = turns.waiting.pop(0) if turns.waiting else ""
        return turns.running
    return ""
