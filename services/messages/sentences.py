"""Texts cut between sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence

# The end of a sentence, in whatever script, or of a line.
_END = re.compile(r"[.!?…](?=\s)|[。！？।؟](?=.)|\n")
_LONGEST_SENTENCE = 200


def within(text: str, most: int) -> str:
    """The text, or as many of its first sentences as have `most` characters; of a longer first one its beginning."""
    if len(text) <= most:
        return text
    # One more, to see what follows an end at the very last place.
    ends = [end.end() for end in _END.finditer(text, 0, most + 1) if end.end() <= most]
    return text[: ends[-1]].rstrip() if ends else _shortened(text, most)


def first_sentence(text: str) -> str:
    """The first sentence that says something, on one line, of at most 200 characters."""
    beginning = " ".join(text.lstrip()[: _LONGEST_SENTENCE * 5].split("\n", 1)[0].split())
    end = _END.search(beginning)
    sentence = beginning[: end.end()] if end else beginning
    return _shortened(sentence, _LONGEST_SENTENCE)


def newest_sentences(sentences: Sequence[str], most: int) -> str:
    """The last of the sentences, one a line, that have `most` characters together."""
    kept: list[str] = []
    size = 0
    for sentence in reversed(sentences):
        room = most - size
        if len(sentence) > room:
            if not kept:
                kept.append(_shortened(sentence, room))
            break
        kept.append(sentence)
        size += len(sentence) + 1
    return "\n".join(reversed(kept))


def _shortened(text: str, most: int) -> str:
    """Cut between words, with a mark that something is missing."""
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    within_a_word = not (cut[-1:].isspace() or text[most - 1].isspace())
    if within_a_word and len(cut.split(None, 1)) > 1:
        cut = cut.rsplit(None, 1)[0]
    return cut.rstrip() + "…"
