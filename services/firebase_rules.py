"""Writes what Google's databases have to be told, from the services' declarations: `python -m services.firebase_rules`.

The Realtime Database refuses by these rules what another process changed meanwhile: without them it is no store. For
Firestore they are the indexes, and who reads. Services sign in as themselves. A person may sign in by Firebase too, by
the id of the account, and read, not write, what `READABLE` says. Accounts are not in it: they hold secrets.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from libs.common.errors import Invalid
from libs.common.main import failing_in_one_line
from libs.common.store.firestore.indexes import firestore_indexes
from libs.common.store.firestore.rules import firestore_rules
from libs.common.store.rtdb.address import Address, keys_of
from libs.common.store.rtdb.rules import database_rules
from services.owned import OWNED, Specs, held_by

READABLE: Mapping[tuple[str, str], str] = {
    ("threads", "threads"): "user_id",
    ("messages", "messages"): "user_id",
    ("operations", "operations"): "user_id",
    ("operations", "system_config"): "",
    ("catalog", "models_config"): "",
}
"""By service and collection, the field that holds whose a document is; "" where all who are signed in may read."""


# The files' names are those that `firebase init` gives them.
_DATABASE, _FIRESTORE, _INDEXES = "database.rules.json", "firestore.rules", "firestore.indexes.json"


def files(path: str = "") -> dict[str, str]:
    """The files' contents by their names. `path` is that of the Realtime Database's URL.

    Raises:
        Invalid: the path is malformed.
    """
    kept = {service: held_by(service) for service in OWNED}
    return {
        _DATABASE: _json(database_rules(keys_of(path), kept, READABLE)),
        _FIRESTORE: firestore_rules(kept, READABLE),
        _INDEXES: _json(firestore_indexes(kept)),
    }


async def deploy(stores: Mapping[str, str]) -> list[str]:
    """Puts the rules of each Realtime Database in place, and returns these databases' URLs. `stores`: URL by service.

    Raises:
        Invalid: a URL is malformed, or two of one database have different paths: one file of rules says where all is.
        Unavailable: a database cannot be reached, or the credentials do not suffice.
    """
    kept: dict[str, dict[str, Specs]] = {}
    for service, url in stores.items():
        if url.startswith("rtdb://"):
            kept.setdefault(url, {})[service] = held_by(service)
    addresses = [Address.parse(url) for url in kept]
    if len({(address.host, address.namespace) for address in addresses}) < len(addresses):
        raise Invalid("services that share a Realtime Database share its URL")
    for url, services in kept.items():
        # Its driver is installed where there is such a database.
        deploying = import_module("libs.common.store.rtdb.deploying")
        readable = {place: owner for place, owner in READABLE.items() if place[0] in services}
        await deploying.deploy_rules(url, services, readable)
    return list(kept)


def main() -> None:
    """Reads the command line; what fails is told in one line and by exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m services.firebase_rules", description="Write rules and indexes.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--path", default="")
    given = parser.parse_args()
    with failing_in_one_line():
        made = files(given.path)
        try:
            given.folder.mkdir(parents=True, exist_ok=True)
            for name, text in made.items():
                (given.folder / name).write_text(text)
        except OSError as error:
            raise Invalid(f"{given.folder}: {error.strerror}") from None
    sys.stdout.write("".join(f"{given.folder / name}\n" for name in made))


def _json(value: Any) -> str:
    return json.dumps(value, indent=1) + "\n"


if __name__ == "__main__":
    main()
