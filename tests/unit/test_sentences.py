"""Texts that are cut between sentences."""

from __future__ import annotations

import pytest

from services.messages.sentences import first_sentence, newest_sentences, within


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("Short enough.", 100, "Short enough."),
        ("One. Two. Three.", 16, "One. Two. Three."),
        ("One. Two. Three.", 15, "One. Two."),
        ("One. Two. Three.", 9, "One. Two."),
        ("One. Two. Three.", 8, "One."),
        ("Costs 3.50 a piece. More.", 20, "Costs 3.50 a piece."),
        ("- a point\n- another point", 15, "- a point"),
        ("一つ目です。二つ目です。三つ目です。", 13, "一つ目です。二つ目です。"),
        ("no end of a sentence anywhere", 12, "no end of a…"),
        ("averylongwordwithoutanyblank", 10, "averylong…"),
        ("", 10, ""),
    ],
)
def test_as_many_sentences_as_fit(text: str, most: int, expected: str) -> None:
    assert within(text, most) == expected
    assert len(within(text, most)) <= most


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is a monad? I have read of them.", "What is a monad?"),
        ("\n\n  Hello   there\nSecond line.", "Hello there"),
        ("こんにちは。元気ですか。", "こんにちは。"),
        ("word " * 100, ("word " * 40)[:199] + "…"),
    ],
)
def test_the_first_sentence_of_a_message(text: str, expected: str) -> None:
    assert first_sentence(text) == expected


def test_the_newest_sentences_are_kept() -> None:
    assert newest_sentences(["first", "second", "third"], 12) == "second\nthird"
    assert newest_sentences(["first", "second", "third"], 100) == "first\nsecond\nthird"
    assert newest_sentences(["a sentence that is longer than all"], 12) == "a sentence…"
    assert newest_sentences([], 10) == ""
