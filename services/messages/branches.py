"""A model's conversation in a thread as a tree: its branches, what is on a path, and how branches come and go.

A branch is a run of messages that leaves another one behind a message; its path is itself and, of each branch that it
leaves, the part up to there. So another branch becomes active, and a new one is made, without a message being written.
All of it is in the conversation's document; where there is one branch alone, no more than its last message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from llmchat.messages.stored.v1.stream_pb2 import Branch, Branches, Conversation, Removal
from llmchat.messages.v1.message_pb2 import Message

from libs.common.documents.unit import Unit
from libs.common.errors import Exhausted
from libs.common.store.port import Cursor, Query
from services.messages.collections import MESSAGES

# Per model and thread, the first one counted: the conversation's document is written with every message.
MOST_BRANCHES = 200


class Path:
    """What is on the path of one branch, from the beginning of a model's conversation to the branch's end."""

    def __init__(self, conversation: Conversation, model_id: str, branch: int) -> None:
        """A `branch` that is not known stands alone: its messages are being removed."""
        self._conversation = conversation
        self._model_id = model_id
        known = conversation.branches.get(model_id)
        branches = {one.number: one for one in known.branches} if known is not None else {}
        # By number, the last position on it that is still on the path; None: all of it is.
        self._until: dict[int, int | None] = {branch: None}
        while branch in branches and branches[branch].from_position:
            self._until[branches[branch].from_branch] = branches[branch].from_position
            branch = branches[branch].from_branch

    def holds(self, message: Message) -> bool:
        """Whether the message is on the path, and not deleted."""
        if message.model_id != self._model_id or message.branch not in self._until:
            return False
        until = self._until[message.branch]
        return (until is None or message.position <= until) and not is_removed(self._conversation, message)


def is_removed(conversation: Conversation, message: Message) -> bool:
    """Whether the message was deleted, though its document is still there."""
    return any(is_within(removal, message) for removal in conversation.removals)


def is_within(removal: Removal, message: Message) -> bool:
    """Whether the message is, or followed, the one that was deleted."""
    return (
        message.model_id == removal.model_id
        and removal.from_position <= message.position <= removal.until_position
        and message.branch in removal.branches
    )


def is_plain(conversation: Conversation, model_id: str = "") -> bool:
    """Whether all messages are shown as they are stored: of one model, or of all."""
    if conversation.removals:
        return False
    return model_id not in conversation.branches if model_id else not conversation.branches


def on_active_paths(conversation: Conversation) -> Callable[[Message], bool]:
    """Tells of messages of all models whether they are on the active path of theirs."""
    paths: dict[str, Path] = {}

    def holds(message: Message) -> bool:
        model_id = message.model_id
        path = paths.get(model_id) or paths.setdefault(model_id, active_path(conversation, model_id))
        return path.holds(message)

    return holds


def active_path(conversation: Conversation, model_id: str) -> Path:
    """The path that the model's next message follows."""
    return Path(conversation, model_id, active_branch(conversation, model_id))


def active_branch(conversation: Conversation, model_id: str) -> int:
    """The number of the branch on which the model's next message stands."""
    known = conversation.branches.get(model_id)
    return known.active if known is not None else 0


def version_ids(conversation: Conversation, message: Message) -> list[str]:
    """All messages that follow what `message` follows, itself among them, oldest first; none where it is alone."""
    known = conversation.branches.get(message.model_id)
    if known is None:
        return []
    beside = [one for one in known.branches if message.id in (one.first_id, one.sibling_id)]
    if not beside:
        return []
    siblings = list(_leaving(known, beside[0].parent_id))
    # Ids sort by time.
    ids = sorted({id for one in siblings for id in (one.first_id, one.sibling_id) if id})
    return ids if len(ids) > 1 else []


async def find_head(unit: Unit, conversation: Conversation, model_id: str) -> str:
    """The message that the model's next one follows, empty at the beginning; from here on the conversation knows it."""
    if model_id not in conversation.heads:
        query = Query.where(
            MESSAGES, order="position", descending=True, limit=1, thread_id=conversation.id, model_id=model_id
        )
        last = await unit.query(query)
        conversation.heads[model_id] = last[0].id if last else ""
    return conversation.heads[model_id]


async def read_parent(unit: Unit, conversation: Conversation, message: Message) -> Message | None:
    """The message that `message` follows; None at the beginning of its model's conversation."""
    parent_id = message.parent_id or message.question_id
    if parent_id:
        return await unit.get(MESSAGES, parent_id)
    if message.branch:
        return None
    # From before parents were kept, when there was one branch alone; or the first, behind what was deleted.
    before = Cursor(message.position, message.id)
    query = Query.where(
        MESSAGES,
        order="position",
        descending=True,
        after=before,
        limit=1,
        thread_id=message.thread_id,
        model_id=message.model_id,
    )
    found = await unit.query(query)
    return found[0] if found and not is_removed(conversation, found[0]) else None


# How they come and go. The model's head must be known: see `find_head`.


def follow(conversation: Conversation, model_id: str, first_id: str, last_id: str) -> None:
    """Puts the messages from `first_id` to `last_id` behind the head of the active branch."""
    known = conversation.branches.get(model_id)
    if known is not None:
        head = conversation.heads[model_id]
        for one in known.branches:
            if one.number == known.active:
                one.last_id = last_id
            if one.first_id and one.parent_id == head:
                one.sibling_id = first_id
    conversation.heads[model_id] = last_id


def is_end(conversation: Conversation, model_id: str, parent: Message | None) -> bool:
    """Whether nothing follows `parent` on its branch; None: whether nothing has been said on the first branch."""
    parent_id, number = (parent.id, parent.branch) if parent is not None else ("", 0)
    known = conversation.branches.get(model_id)
    if known is None:
        return conversation.heads[model_id] == parent_id
    return any(one.number == number and one.last_id == parent_id for one in known.branches)


def add(conversation: Conversation, model_id: str, parent: Message | None, sibling_id: str, id: str) -> int:
    """Puts one message behind `parent`, wherever that stands: on the same branch where it is the end of it, else on a
    branch of its own (see `leave`). That branch is active then; returns its number.

    Raises:
        Exhausted: there are as many branches as may be (reason TOO_MANY_BRANCHES).
    """
    if not is_end(conversation, model_id, parent):
        return leave(conversation, model_id, parent, sibling_id, id, id)
    if parent is not None:
        select(conversation, parent)
    follow(conversation, model_id, id, id)
    return active_branch(conversation, model_id)


def leave(
    conversation: Conversation, model_id: str, parent: Message | None, sibling_id: str, first_id: str, last_id: str
) -> int:
    """Makes a branch of the messages from `first_id` to `last_id` behind `parent` (None: at the beginning), active.

    `sibling_id` follows `parent` already, on whichever branch. Returns the branch's number.

    Raises:
        Exhausted: there are as many branches as may be (reason TOO_MANY_BRANCHES).
    """
    if model_id not in conversation.branches:
        first = Branch(number=0, last_id=conversation.heads[model_id])
        conversation.branches[model_id].CopyFrom(Branches(branches=[first]))
    known = conversation.branches[model_id]
    if len(known.branches) >= MOST_BRANCHES:
        text = f"a model's conversation in a thread may have {MOST_BRANCHES} branches"
        raise Exhausted(text, reason="TOO_MANY_BRANCHES")
    parent_id = parent.id if parent is not None else ""
    # One of its siblings may be another branch's first: what they all stand beside is told by that branch.
    beside = next(_leaving(known, parent_id), None)
    branch = Branch(
        number=max(one.number for one in known.branches) + 1,
        from_branch=parent.branch if parent is not None else 0,
        from_position=parent.position if parent is not None else 0,
        parent_id=parent_id,
        first_id=first_id,
        last_id=last_id,
        sibling_id=beside.sibling_id if beside is not None else sibling_id,
    )
    known.branches.append(branch)
    _activate(conversation, model_id, branch.number, last_id)
    return branch.number


def select(conversation: Conversation, message: Message) -> None:
    """Makes the branch on which `message` stands the active one."""
    known = conversation.branches.get(message.model_id)
    if known is not None:
        _activate(conversation, message.model_id, message.branch, _branch(known, message.branch).last_id)


def remove(conversation: Conversation, message: Message, parent: Message | None) -> None:
    """Marks `message`, which follows `parent`, and all that follows it as deleted, and takes it off the branches.

    Where it was on the active path, this goes on with its newest other version, else it ends with `parent`.
    """
    model_id = message.model_id
    was_shown = active_path(conversation, model_id).holds(message)
    others = [id for id in version_ids(conversation, message) if id != message.id]
    known = conversation.branches.get(model_id, Branches())
    removal = removal_of(conversation, message)
    kept = [one for one in known.branches if one.number == message.branch or one.number not in removal.branches]
    is_first = parent is None or any(one.first_id == message.id for one in kept)
    for one in kept:
        if one.number == message.branch and parent is not None:
            one.last_id = parent.id
        if one.sibling_id == message.id:
            one.sibling_id = ""
    if is_first:
        kept = [one for one in kept if one.number != message.branch]
    conversation.removals.append(removal)
    if was_shown and others:
        shown = _branch(known, _standing_on(known, others[-1]))
        _activate(conversation, model_id, shown.number, shown.last_id)
    elif was_shown:
        parent_branch, parent_id = (parent.branch, parent.id) if parent is not None else (0, "")
        _activate(conversation, model_id, parent_branch, parent_id)
    _keep(conversation, model_id, kept)


def removal_of(conversation: Conversation, message: Message) -> Removal:
    """What there is of `message` and of all that follows it."""
    return Removal(
        message_id=message.id,
        model_id=message.model_id,
        branches=[message.branch, *_following(conversation.branches.get(message.model_id, Branches()), message)],
        from_position=message.position,
        until_position=conversation.last_position,
    )


def _activate(conversation: Conversation, model_id: str, number: int, head: str) -> None:
    conversation.heads[model_id] = head
    if model_id in conversation.branches:
        conversation.branches[model_id].active = number


def _keep(conversation: Conversation, model_id: str, kept: list[Branch]) -> None:
    if not any(one.number for one in kept):
        if model_id in conversation.branches:
            del conversation.branches[model_id]
        return
    left = Branches(active=active_branch(conversation, model_id), branches=kept)
    conversation.branches[model_id].CopyFrom(left)


def _branch(known: Branches, number: int) -> Branch:
    return next(one for one in known.branches if one.number == number)


def _leaving(known: Branches, parent_id: str) -> Iterator[Branch]:
    """The branches that leave behind this message; that which begins the conversation leaves nothing."""
    return (one for one in known.branches if one.first_id and one.parent_id == parent_id)


def _following(known: Branches, message: Message) -> Iterator[int]:
    """The branches that leave behind `message`, or behind what follows it. A branch comes after the one it leaves."""
    following: set[int] = set()
    for one in known.branches:
        leaves_tail = one.from_branch == message.branch and one.from_position >= message.position
        if one.from_branch in following or leaves_tail:
            following.add(one.number)
            yield one.number


def _standing_on(known: Branches, message_id: str) -> int:
    """The number of the branch on which one of several versions stands."""
    for one in known.branches:
        if message_id == one.first_id:
            return one.number
    return next(one.from_branch for one in known.branches if message_id == one.sibling_id)
