"""Branches, against a tree of which every message knows its parent: whatever is said, edited, chosen and deleted."""

from __future__ import annotations

from random import Random

import pytest
from llmchat.messages.stored.v1.stream_pb2 import Conversation
from llmchat.messages.v1.message_pb2 import Message

from libs.common.errors import Exhausted
from services.messages.branches import (
    MOST_BRANCHES,
    active_branch,
    active_path,
    follow,
    is_plain,
    is_removed,
    leave,
    on_active_paths,
    remove,
    select,
    version_ids,
)

MODELS = ("a", "b")


class Tree:
    """What is to be true, found by walking from each message to its parent."""

    def __init__(self) -> None:
        self.conversation = Conversation(id="thread", heads=dict.fromkeys(MODELS, ""))
        self.messages: dict[str, Message] = {}
        self.deleted: dict[str, Message] = {}

    def say(self, model: str) -> None:
        """A question and its answer behind the head."""
        branch, head = active_branch(self.conversation, model), self.conversation.heads[model]
        question = self._add(model, head, branch)
        answer = self._add(model, question.id, branch)
        follow(self.conversation, model, question.id, answer.id)

    def replace(self, message: Message, *, is_edit: bool) -> None:
        """Another question with its answer, or another answer alone, in the place of `message`."""
        parent = self.messages.get(message.parent_id)
        first = self._add(message.model_id, message.parent_id, -1)
        last = self._add(message.model_id, first.id, -1) if is_edit else first
        first.branch = last.branch = leave(self.conversation, message.model_id, parent, message.id, first.id, last.id)

    def delete(self, message: Message) -> None:
        remove(self.conversation, message, self.messages.get(message.parent_id))
        for id in [id for id in self.messages if message.id in self.path(id)]:
            self.deleted[id] = self.messages.pop(id)

    def path(self, id: str) -> list[str]:
        """From a message to the beginning."""
        path = []
        while id:
            path.append(id)
            id = (self.messages.get(id) or self.deleted[id]).parent_id
        return path

    def check(self) -> None:
        on_path = on_active_paths(self.conversation)
        for model in MODELS:
            shown = {id for id, message in self.messages.items() if message.model_id == model and on_path(message)}
            assert shown == set(self.path(self.conversation.heads[model]))
            assert shown or not any(message.model_id == model for message in self.messages.values())
        for message in self.messages.values():
            beside = [one.id for one in self.messages.values() if _place(one) == _place(message)]
            assert version_ids(self.conversation, message) == (sorted(beside) if len(beside) > 1 else [])
            assert not is_removed(self.conversation, message)
        assert all(is_removed(self.conversation, message) for message in self.deleted.values())
        for model in MODELS:
            branches = {message.branch for message in self.messages.values() if message.model_id == model}
            assert (model in self.conversation.branches) == bool(branches - {0})
        assert not any(on_path(message) for message in self.deleted.values())

    def _add(self, model: str, parent_id: str, branch: int) -> Message:
        self.conversation.last_position += 1
        position = self.conversation.last_position
        message = Message(id=f"{position:06}", model_id=model, parent_id=parent_id, branch=branch, position=position)
        self.messages[message.id] = message
        return message


def _place(message: Message) -> tuple[str, str]:
    return message.model_id, message.parent_id


@pytest.mark.parametrize("seed", range(60))
def test_paths_are_those_of_the_tree(seed: int) -> None:
    random, tree = Random(seed), Tree()  # noqa: S311 # the same each time
    for _ in range(60):
        step = random.choice(("say", "edit", "edit", "regenerate", "select", "select", "delete", "forget"))
        messages = list(tree.messages.values())
        if step == "say" or not messages:
            tree.say(random.choice(MODELS))
        elif step == "edit":
            tree.replace(random.choice(messages), is_edit=True)
        elif step == "regenerate":
            tree.replace(random.choice(messages), is_edit=False)
        elif step == "select":
            chosen = random.choice(messages)
            select(tree.conversation, chosen)
            assert active_path(tree.conversation, chosen.model_id).holds(chosen)
        elif step == "delete" and random.random() < 0.5:
            tree.delete(random.choice(messages))
        elif step == "forget":
            # The documents of what was deleted are gone: nothing needs to be known of it any more.
            tree.deleted.clear()
            del tree.conversation.removals[:]
        tree.check()


def test_the_newest_other_version_takes_the_place_of_a_deleted_one() -> None:
    tree = Tree()
    tree.say("a")
    first = tree.messages["000001"]
    for _ in range(2):
        tree.replace(first, is_edit=True)
    select(tree.conversation, first)
    tree.delete(first)
    assert tree.conversation.heads["a"] == "000006"


def test_the_path_ends_with_the_parent_where_there_is_no_other_version() -> None:
    tree = Tree()
    for _ in range(3):
        tree.say("a")
    tree.delete(tree.messages["000003"])
    assert tree.conversation.heads["a"] == "000002"
    tree.say("a")
    assert tree.path(tree.conversation.heads["a"]) == ["000008", "000007", "000002", "000001"]


def test_what_is_not_shown_is_deleted_and_the_path_stays() -> None:
    tree = Tree()
    tree.say("a")
    tree.replace(tree.messages["000001"], is_edit=True)
    tree.delete(tree.messages["000001"])
    assert tree.conversation.heads["a"] == "000004"


def test_a_conversation_is_plain_again_when_its_other_branches_are_gone() -> None:
    tree = Tree()
    tree.say("a")
    tree.replace(tree.messages["000002"], is_edit=False)
    assert not is_plain(tree.conversation)
    assert is_plain(tree.conversation, "b")
    assert not is_plain(tree.conversation, "a")
    tree.delete(tree.messages["000003"])
    assert not is_plain(tree.conversation)
    del tree.conversation.removals[:]
    assert is_plain(tree.conversation)


def test_branches_are_bounded() -> None:
    tree = Tree()
    tree.say("a")
    for _ in range(MOST_BRANCHES - 1):
        tree.replace(tree.messages["000002"], is_edit=False)
    with pytest.raises(Exhausted) as refused:
        tree.replace(tree.messages["000002"], is_edit=False)
    assert refused.value.reason == "TOO_MANY_BRANCHES"
    tree.say("b")
