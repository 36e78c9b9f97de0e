"""Titles: one short line, whatever a model answers."""

from __future__ import annotations

import pytest

from services.messages.titles import clean_title


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        ("Sorting algorithms", "Sorting algorithms"),
        ('"Sorting algorithms."', "Sorting algorithms"),
        ("“Sorting\n  algorithms”", "Sorting algorithms"),
        ("a" * 60, "a" * 60),
        ("a" * 61, "a" * 59 + "…"),
        ("one two three " * 10, "one two three one two three one two three one two three one…"),
        ("  \n ", ""),
        ("Bells\x07 and\x1b[1m whistles\ufffe 👩‍💻", "Bells and[1m whistles 👩‍💻"),
    ],
)
def test_a_title_is_one_line_of_sixty_characters(answer: str, title: str) -> None:
    assert clean_title(answer) == title
    assert len(title) <= 60
