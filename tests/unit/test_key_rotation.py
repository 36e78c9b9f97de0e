"""The ring of secret keys while one takes the place of another: what one process makes, every other one reads."""

from __future__ import annotations

import stat
from itertools import pairwise, product
from pathlib import Path

import pytest

from libs.common.crypto.keys import KeyRing
from libs.common.crypto.tokens import Tokens
from libs.common.errors import NotFound, Precondition, Unauthenticated

OLD = KeyRing.generate()
ADDED = OLD.added()
PROMOTED = ADDED.promoted()
NEW = PROMOTED.without(OLD.current.id)
STEPS = (OLD, ADDED, PROMOTED, NEW)


def read_by(reader: KeyRing, writer: KeyRing) -> bool:
    token, _ = Tokens(writer.derive("tokens")).issue_user("user_ada", False)
    try:
        Tokens(reader.derive("tokens")).verify(token)
    except Unauthenticated:
        return False
    return True


def test_a_key_is_replaced_in_three_steps() -> None:
    [new] = NEW.keys

    assert ADDED.keys == (OLD.current, new)
    assert PROMOTED.keys == (new, OLD.current)
    assert new != OLD.current


@pytest.mark.parametrize(("before", "after"), [*pairwise(STEPS[:3])], ids=["added", "promoted"])
def test_processes_that_have_taken_a_step_and_those_that_have_not_read_each_other(
    before: KeyRing, after: KeyRing
) -> None:
    assert all(read_by(reader, writer) for reader, writer in product((before, after), repeat=2))


def test_what_was_made_since_the_new_key_is_current_survives_the_last_step() -> None:
    assert read_by(NEW, PROMOTED)
    assert read_by(PROMOTED, NEW)
    assert not read_by(NEW, ADDED)


def test_a_step_that_would_leave_no_key_is_refused() -> None:
    with pytest.raises(Precondition, match="add one first"):
        OLD.promoted()
    with pytest.raises(Precondition, match="promote another one first"):
        PROMOTED.without(PROMOTED.current.id)
    with pytest.raises(NotFound):
        NEW.without(OLD.current.id)


def test_the_file_is_replaced_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    ring = KeyRing.load_or_create(path).added()
    path.chmod(0o644)

    ring.replace(path)

    assert KeyRing.load_or_create(path) == ring
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_ring_as_a_setting_is_read_as_the_same() -> None:
    assert KeyRing.parse(PROMOTED.encoded) == PROMOTED
