"""Keys, index strings and trees of the Realtime Database: the port's order in ASCII, and nothing that gets lost."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from libs.common.store.port import IndexValue
from libs.common.store.rtdb.keys import ABOVE, END, MAX_KEY_BYTES, node_key, ordered, ordered_text, word_key
from libs.common.store.rtdb.tree import from_tree, to_tree

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
ALLOWED = re.compile(r"[^.$#\[\]/\x00-\x1f\x7f]+")
NUMBER = re.compile(r"-?[0-9]+")
# What firebase-admin's query strings carry as it is.
CARRIED = re.compile(r"[A-Za-z0-9_.:/!^`~ -]*")
VALUES: dict[type[IndexValue], st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False),
    str: TEXTS,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(TEXTS, values, max_size=4),
)


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_values_and_ids_behind_one_another_sort_as_the_port_says(kind: type[IndexValue], data: st.DataObject) -> None:
    pairs = data.draw(st.lists(st.tuples(VALUES[kind], TEXTS)))
    written = [(f"{ordered(value, kind)}{END}{ordered_text(id)}{END}", value, id) for value, id in pairs]
    assert [pair[1:] for pair in sorted(written, key=lambda one: one[0])] == sorted(pairs)
    assert all(CARRIED.fullmatch(text) for text, _, _ in written)
    assert all(text < ABOVE for text, _, _ in written)


@given(TEXTS, TEXTS)
def test_what_begins_with_a_text_stands_between_it_and_the_bound_above(beginning: str, rest: str) -> None:
    low = ordered_text(beginning)
    assert low <= ordered_text(beginning + rest) < low + ABOVE


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=250), min_size=2, unique=True))
def test_long_texts_sort_by_their_beginning_and_stay_apart(texts: list[str]) -> None:
    written = {text: ordered(text, str) for text in texts}
    assert len(set(written.values())) == len(texts)
    assert [text[:256] for text in sorted(texts, key=written.__getitem__)] == sorted(text[:256] for text in texts)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=256), unique=True))
@example(["👋" * 256, "👋" * 255, "👋" * 255 + "🙂", "0", "-1", "__proto__", "constructor", "", "a.b", "a!2eb"])
def test_every_text_has_a_key_of_its_own_that_the_database_takes(texts: list[str]) -> None:
    keys = [node_key(text) for text in texts]
    assert len(set(keys)) == len(texts)
    for key in keys:
        assert ALLOWED.fullmatch(key)
        assert len(key.encode()) <= MAX_KEY_BYTES
        assert not NUMBER.fullmatch(key)


@given(TEXTS, TEXTS)
def test_the_key_of_a_words_beginning_begins_its_key(beginning: str, rest: str) -> None:
    assert word_key(beginning + rest).startswith(word_key(beginning))


@given(JSON)
@example({"gpt-4.1": {"$a/b[c]#": {}}, "": [], "0": None, "1": -0.0, "x" * 800: 1, "é": 2**53, "a": 1e300})
@example(["!", "!!", "!null", [None], {}])
def test_a_document_comes_back_from_what_the_database_keeps(document: Any) -> None:
    tree = kept(to_tree(document))
    assert same(from_tree(tree), document)


def test_a_document_stays_readable() -> None:
    document = {
        "title": "Grüße",
        "models": {"gpt-4.1": {"n": 1}},
        "tags": ["a"],
        "none": None,
        "empty": {},
        "big": 2**60,
    }
    assert to_tree(document) == {
        "title": "Grüße",
        "models": {"gpt-4!2e1": {"n": 1}},
        "tags": ["a"],
        "none": "!null",
        "empty": "!{}",
        "big": f"!{2**60}",
    }


def test_what_is_too_deep_is_written_as_text() -> None:
    document: Any = "bottom"
    for _ in range(100):
        document = {"a": [document]}
    tree = to_tree(document)
    assert depth(tree) <= 20
    assert from_tree(tree) == document


def kept(tree: Any) -> Any:
    """What the Realtime Database gives back: nothing empty, doubles, and arrays only where keys are numbers."""
    match tree:
        case dict():
            assert tree, "an empty object is not kept"
            for key in tree:
                assert ALLOWED.fullmatch(key)
                assert not NUMBER.fullmatch(key)
                assert len(key.encode()) <= MAX_KEY_BYTES
            return {key: kept(value) for key, value in tree.items()}
        case list():
            assert tree, "an empty array is not kept"
            return [kept(value) for value in tree]
        case None:
            raise AssertionError("null is not kept")
        case bool() | str():
            return tree
    number = float(tree)
    # As JavaScript writes numbers.
    return json.loads(str(int(number)) if number.is_integer() and abs(number) < 1e21 else repr(number))


def same(left: Any, right: Any) -> bool:
    """Equality that tells true from 1 and minus zero from zero; a whole number may come back of a float."""
    match left, right:
        case (dict(), dict()):
            return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
        case (list(), list()):
            return len(left) == len(right) and all(map(same, left, right))
        case (bool(), _) | (_, bool()):
            return left is right
        case (int() | float(), int() | float()):
            return left == right and math.copysign(1, left) == math.copysign(1, right)
    return type(left) is type(right) and left == right


def depth(tree: Any) -> int:
    """How many levels are below."""
    values = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    return 1 + max(map(depth, values)) if values else 0
