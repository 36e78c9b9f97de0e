"""The files in `deploy/firebase` are what the services' declarations make."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from google.protobuf.descriptor import Descriptor
from llmchat.threads.v1.thread_pb2 import Thread

from libs.common.errors import Invalid
from libs.common.redaction import holds, is_secret
from libs.common.store.port import CollectionSpec
from libs.common.store.rtdb.address import Address
from libs.common.store.rtdb.rules import database_rules
from services.firebase_rules import READABLE, deploy, files
from services.owned import held_by

DEPLOYED = Path(__file__).parents[2] / "deploy" / "firebase"


@pytest.mark.parametrize("name", sorted(files()))
def test_what_is_deployed_is_what_is_declared(name: str) -> None:
    assert (DEPLOYED / name).read_text() == files()[name], "run `llmchat rules`"


def test_persons_read_no_secrets_but_the_token_of_their_own_share() -> None:
    specs = {(service, spec.name): spec for service, _ in READABLE for spec in held_by(service)}
    secret = {place for place in READABLE if holds(is_secret, cast(Descriptor, specs[place].message.DESCRIPTOR))}
    assert secret == {("threads", "threads")}
    assert READABLE["threads", "threads"] == "user_id"


def test_what_is_readable_is_a_collection_with_that_field() -> None:
    services: dict[str, list[CollectionSpec[Any]]] = {"threads": [CollectionSpec("threads", Thread)]}
    for readable in ({("threads", "nonsense"): ""}, {("threads", "threads"): "nonsense"}):
        with pytest.raises(ValueError, match="nonsense"):
            database_rules((), services, readable)


@pytest.mark.parametrize(
    "url",
    [
        "rtdb://",
        "rtdb:///path",
        "rtdb://[secret/path",
        "rtdb://user:secret@host/path",
        "rtdb://host/a.b",
        "rtdb://host/a%24b",
        "rtdb://host/path?timeout=soon",
        "rtdb://host/path?timeout=0",
        "rtdb://host/path?colour=blue",
        "rtdb://host/path#part",
    ],
)
def test_a_malformed_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        Address.parse(url)
    assert "secret" not in refused.value.text


def test_a_url_is_of_google_or_with_a_namespace_of_an_emulator() -> None:
    real = Address.parse("rtdb://my-project-default-rtdb.europe-west1.firebasedatabase.app/prod/llmchat")
    assert (real.database_url, real.path) == (
        "https://my-project-default-rtdb.europe-west1.firebasedatabase.app",
        ("prod", "llmchat"),
    )
    assert Address.parse("rtdb://127.0.0.1:9000?ns=x").database_url == "http://127.0.0.1:9000/?ns=x"


async def test_one_database_has_one_set_of_rules() -> None:
    with pytest.raises(Invalid, match="share its URL"):
        await deploy({"threads": "rtdb://host/a", "messages": "rtdb://host/b", "users": "sqlite:///data"})
    assert await deploy({"users": "sqlite:///data"}) == []
