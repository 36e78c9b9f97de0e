"""Tokens as documents hold them: one text and the lengths of its parts."""

from __future__ import annotations

from collections.abc import Iterable

from llmchat.store.v1.tokens_pb2 import Tokens


def join_tokens(tokens: Iterable[str]) -> Tokens:
    """The document form of `tokens`."""
    parts = list(tokens)
    return Tokens(text="".join(parts), lengths=map(len, parts))


def split_tokens(tokens: Tokens, after: int = 0) -> list[str]:
    """The tokens after the first `after` of them."""
    text, lengths = tokens.text, tokens.lengths
    start = sum(lengths[:after])
    parts = []
    for length in lengths[after:]:
        parts.append(text[start : start + length])
        start += length
    return parts
