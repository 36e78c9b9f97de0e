"""A conversation as no format has it: what was said, each message behind the one that it follows."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from llmchat.messages.v1.message_pb2 import ROLE_ASSISTANT, Role

from services.threads.formats.fields import garbage


@dataclass(frozen=True, slots=True)
class Said:
    """One message. `parent_id` is empty at the beginning, `model` where nobody says whose answer it is.

    `created_at` is in milliseconds of the epoch.
    """

    id: str
    parent_id: str
    role: Role
    text: str
    created_at: int
    model: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Its messages come parents before children and otherwise by time; `active_id` is the last one of the active path.

    Times are in milliseconds of the epoch; `created_at` is 0 where the file has no time at all. An empty `title` is
    none.
    """

    source_id: str
    title: str
    created_at: int
    updated_at: int
    messages: Sequence[Said]
    active_id: str

    @property
    def path(self) -> list[Said]:
        """The active path, from the beginning."""
        by_id = {said.id: said for said in self.messages}
        backwards: list[Said] = []
        id = self.active_id
        while id:
            backwards.append(by_id[id])
            id = by_id[id].parent_id
        return backwards[::-1]

    @property
    def model(self) -> str:
        """Whose the last answer of the active path is, as the file names it."""
        return next((said.model for said in reversed(self.path) if said.role == ROLE_ASSISTANT and said.model), "")

    def dated(self, now: int) -> Conversation:
        """As it is; where the file has no time at all, as one that was held at `now`."""
        if self.created_at:
            return self
        messages = [replace(said, created_at=now) for said in self.messages]
        return replace(self, created_at=now, updated_at=now, messages=messages)


@dataclass(frozen=True, slots=True)
class Node:
    """A place in a file's tree. What is not taken over has no `text`; `created_at` is None where the file has none."""

    id: str
    parent_id: str
    role: Role
    text: str
    created_at: int | None
    model: str = ""


def arranged(
    where: str,
    nodes: Sequence[Node],
    *,
    source_id: str,
    title: str,
    created_at: int | None,
    updated_at: int | None,
    active_id: str,
) -> Conversation:
    """The conversation of a file's nodes. What follows one that is not taken over follows what that one follows.

    A time that is missing is that of what the message follows, else the conversation's, else the first that is known.

    Raises:
        Invalid: a node follows one that is not there, or itself by others.
    """
    known = {node.id: node for node in nodes}
    times = [node.created_at for node in nodes if node.created_at is not None]
    start = min(times, default=0) if created_at is None else created_at
    # By node, the nearest of those taken over among itself and those above it, and when that was.
    nearest: dict[str, tuple[str, int]] = {"": ("", start)}
    kept: list[Said] = []
    for node in _parents_first(where, nodes, known):
        parent_id, time = nearest[node.parent_id]
        time = time if node.created_at is None else node.created_at
        if node.text:
            kept.append(Said(node.id, parent_id, node.role, node.text, time, node.model))
        nearest[node.id] = (node.id if node.text else parent_id, time)
    messages = _by_time(kept)
    newest = messages[-1].id if messages else ""
    return Conversation(
        source_id=source_id,
        title=title,
        created_at=start,
        updated_at=max((said.created_at for said in messages), default=start) if updated_at is None else updated_at,
        messages=messages,
        active_id=nearest[active_id][0] or newest,
    )


def _parents_first(where: str, nodes: Sequence[Node], known: dict[str, Node]) -> Iterator[Node]:
    children: dict[str, list[Node]] = {}
    for node in nodes:
        if node.parent_id and node.parent_id not in known:
            raise garbage(f"{where}: message {node.id}", "follows one that is not there")
        children.setdefault(node.parent_id, []).append(node)
    told = 0
    waiting = children.get("", [])
    while waiting:
        told += len(waiting)
        yield from waiting
        waiting = [child for node in waiting for child in children.get(node.id, ())]
    if told < len(nodes):
        raise garbage(where, "has messages that follow each other in a circle")


def _by_time(messages: Sequence[Said]) -> list[Said]:
    """Parents before children, and otherwise the oldest first."""
    children: dict[str, list[tuple[int, int]]] = {}
    for place, said in enumerate(messages):
        children.setdefault(said.parent_id, []).append((said.created_at, place))
    ready = children.get("", [])
    heapq.heapify(ready)
    ordered: list[Said] = []
    while ready:
        _, place = heapq.heappop(ready)
        ordered.append(messages[place])
        for child in children.get(messages[place].id, ()):
            heapq.heappush(ready, child)
    return ordered
