"""Shows one stored document as JSON: `python -m services.show messages messages msg_01k…`.

The store is the one that `LLMCHAT_STORE_URL` names for the service; it may be in use. Secret fields are left out, in
journal entries too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from llmchat.store.v1.journal_pb2 import JournalEntry

from libs.common.documents.system import SYSTEM_COLLECTIONS
from libs.common.errors import DomainError, NotFound
from libs.common.redaction import redacted
from libs.common.settings import Settings
from libs.common.store.codec import Json, encode
from libs.common.store.open import open_store
from services.owned import OWNED, held_by


async def show(store_url: str, service: str, collection: str, id: str) -> Json:
    """The document as JSON, with its id and revision in the store.

    Raises:
        NotFound: there is no such collection or document.
        Unavailable: the store does not open.
    """
    specs = {spec.name: spec for spec in held_by(service)}
    spec = specs.get(collection)
    if spec is None:
        raise NotFound("collection", collection)
    store = await open_store(store_url, service, (*OWNED[service], *SYSTEM_COLLECTIONS))
    try:
        stored = await store.get(spec, id)
    finally:
        await store.close()
    if stored is None:
        raise NotFound(spec.kind, id)
    shown = encode(redacted(stored.message))
    if isinstance(stored.message, JournalEntry):
        written = specs[stored.message.collection].message
        for name in ("before", "after"):
            body: bytes = getattr(stored.message, name)
            shown[name] = encode(redacted(written.FromString(body))) if body else None
    return {"id": stored.id, "revision": stored.revision, "document": shown}


def main() -> None:
    """Reads the command line; what fails is told in one line and by exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m services.show", description="Show one stored document as JSON.")
    parser.add_argument("service", choices=sorted(OWNED))
    parser.add_argument("collection")
    parser.add_argument("id")
    given = parser.parse_args()
    try:
        document = asyncio.run(show(Settings().store_of(given.service), given.service, given.collection, given.id))
    except DomainError as error:
        sys.exit(f"llmchat: {error.text}")
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
