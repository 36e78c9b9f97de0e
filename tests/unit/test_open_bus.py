"""A bus is chosen by its URL, and a URL that is wrong stops the start without giving its password away."""

from __future__ import annotations

import pytest

from libs.common.errors import Invalid
from libs.common.events.open import is_shared, open_bus


@pytest.mark.parametrize(
    "url",
    [
        "",
        "memory",
        "amqp://localhost",
        "redis://",
        "redis:///0",
        "redis://:hush@",
        "redis://:hu/sh@localhost",
        "redis://:hu#sh@localhost",
        "redis://:hu?sh@localhost",
        "redis://:hush@localhost:port",
        "redis://:hush@localhost:70000",
        "redis://:hush@localhost/first",
        "redis://:hush@localhost/0/1",
        "redis://:hush@localhost?db=1",
        "redis://:hush@localhost?socket_timeout=1",
        "redis://:hush@localhost?ssl_ca_certs=file",
        "rediss://:hush@localhost?ssl_unknown=1",
    ],
)
async def test_a_malformed_url_is_refused_without_a_word_of_its_password(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        async with open_bus(url):
            pass
    assert "hu" not in refused.value.text
    assert "sh@" not in refused.value.text
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize(("url", "shared"), [("memory://", False), ("redis://localhost", True)])
def test_only_redis_reaches_other_processes(url: str, shared: bool) -> None:
    assert is_shared(url) is shared
