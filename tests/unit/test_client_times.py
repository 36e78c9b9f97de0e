"""Times as people type them."""

from __future__ import annotations

import pytest

from libs.client.times import earlier, later
from libs.common.errors import Invalid

NOW = 1_800_000_000_000


@pytest.mark.parametrize(("text", "span"), [("30min", 1_800_000), ("12h", 43_200_000), ("90d", 7_776_000_000)])
def test_a_span_begins_now(text: str, span: int) -> None:
    assert later(text, NOW) == NOW + span
    assert earlier(text, NOW) == NOW - span


@pytest.mark.parametrize(
    "text", ["2027-01-15", "2027-01-15T00:00", "2027-01-15T00:00Z", "2027-01-15T01:00+01:00", "20270115"]
)
def test_a_moment_is_of_utc_unless_it_says_otherwise(text: str) -> None:
    assert later(text, NOW) == earlier(text, NOW) == 1_799_971_200_000


@pytest.mark.parametrize("text", ["", "soon", "5", "-5d", "5 d", "5w", "2027-13-01", "1234567d", "٣d"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="is no time"):
        later(text, NOW)
