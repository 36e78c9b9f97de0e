"""Messages put behind any other, as an import does, between all else that happens to a tree."""

from __future__ import annotations

from random import Random

import pytest
from llmchat.messages.v1.message_pb2 import Message

from libs.common.errors import Exhausted
from services.messages.branches import MOST_BRANCHES, add, is_end, select
from tests.unit.test_branches import MODELS, Tree


class Grown(Tree):
    def put(self, model: str, parent: Message | None) -> Message:
        """One message behind `parent`, which is active then."""
        sibling_id = "" if is_end(self.conversation, model, parent) else self._follower(model, parent)
        message = self._add(model, parent.id if parent is not None else "", -1)
        message.branch = add(self.conversation, model, parent, sibling_id, message.id)
        return message

    def _follower(self, model: str, parent: Message | None) -> str:
        branch, position = (parent.branch, parent.position) if parent is not None else (0, 0)
        after = [one for one in self.messages.values() if one.model_id == model and one.position > position]
        return next((one.id for one in after if one.branch == branch), "")


@pytest.mark.parametrize("seed", range(60))
def test_paths_are_those_of_the_tree(seed: int) -> None:
    random, tree = Random(seed), Grown()  # noqa: S311 # the same each time
    for _ in range(60):
        step = random.choice(("put", "put", "put", "begin", "say", "edit", "select", "delete"))
        messages = list(tree.messages.values())
        if step == "begin" or not messages:
            tree.put(random.choice(MODELS), None)
        elif step == "put":
            parent = random.choice(messages)
            message = tree.put(parent.model_id, parent)
            assert tree.conversation.heads[parent.model_id] == message.id
        elif step == "say":
            tree.say(random.choice(MODELS))
        elif step == "edit":
            tree.replace(random.choice(messages), is_edit=True)
        elif step == "select":
            select(tree.conversation, random.choice(messages))
        elif random.random() < 0.5:
            tree.delete(random.choice(messages))
        tree.check()


def test_a_list_is_one_branch_however_it_is_put() -> None:
    tree = Grown()
    last = None
    for _ in range(10):
        last = tree.put("a", last)

    assert not tree.conversation.branches
    assert last is not None
    assert tree.conversation.heads["a"] == last.id


def test_there_are_as_many_branches_as_may_be() -> None:
    tree = Grown()
    for _ in range(MOST_BRANCHES):
        tree.put("a", None)

    with pytest.raises(Exhausted, match=str(MOST_BRANCHES)):
        tree.put("a", None)
