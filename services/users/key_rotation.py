"""Seals provider keys anew that an older master key sealed, while they are read and replaced."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass

from llmchat.users.stored.v1.user_pb2 import UserRecord
from llmchat.users.v1.user_pb2 import USER_STATUS_DELETED
from llmchat.users.v1.users_service_pb2 import ReencryptProviderKeysResponse

from libs.common.audit import audit
from libs.common.crypto.envelopes import Unreadable
from libs.common.documents.documents import Documents
from libs.common.documents.unit import Unit
from libs.common.events.outbox import Outbox
from libs.common.store.port import Query
from services.users.collections import USERS
from services.users.key_vault import KeyVault
from services.users.stored_keys import NAMES, remove_overwritten, stored_keys

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 3600
_PAGE = 100


@dataclass(frozen=True, slots=True)
class _Account:
    """What became of one account's keys: how many were sealed anew, and the master key of each."""

    resealed: int
    key_ids: tuple[str, ...]


class KeyRotation:
    """Looks through all accounts when a process starts and every hour. Each account is a unit of its own.

    What does not open is left as it is. Replicas whose rings have another current key undo each other's work until the
    last of them is restarted; nothing is unreadable meanwhile, since each has the other's key on its ring.
    """

    def __init__(self, documents: Documents, outbox: Outbox, vault: KeyVault) -> None:
        self._documents = documents
        self._outbox = outbox
        self._vault = vault

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_SECONDS)

    async def look(self) -> ReencryptProviderKeysResponse:
        """One look at every account; what it changed, and how many keys each master key seals now.

        Raises:
            Contended: somebody keeps changing an account; what was sealed anew until then stays so.
        """
        held: Counter[str] = Counter()
        resealed, after = 0, None
        while True:
            page = await self._documents.query(Query.by_id(USERS, after=after, limit=_PAGE))
            for record in page:
                account = self._as_it_is(record)
                if account is None:
                    account = await self._put_right(record.id, is_first=not resealed)
                resealed += account.resealed
                held.update(account.key_ids)
            if len(page) < _PAGE:
                break
            after = page[-1].id
            # Others have their turn in between.
            await asyncio.sleep(0)
        self._log_result(resealed, held)
        return ReencryptProviderKeysResponse(current_key_id=self._vault.current_id, reencrypted=resealed, keys=held)

    def _as_it_is(self, record: UserRecord) -> _Account | None:
        """The account where there is nothing to do for it, else None."""
        if record.status == USER_STATUS_DELETED or not record.HasField("api_keys"):
            return _Account(0, ())
        if all(key.key_id == self._vault.current_id for _, key in record.api_keys.ListFields()):
            return _Account(0, tuple(key.key_id for _, key in stored_keys(record)))
        return None

    async def _put_right(self, user_id: str, *, is_first: bool) -> _Account:
        async def work(unit: Unit) -> _Account:
            record = await unit.find(USERS, user_id)
            if record is None or record.status == USER_STATUS_DELETED:
                return _Account(0, ())
            resealed = self._reseal(record)
            removed = remove_overwritten(record)
            if resealed or removed:
                unit.put(USERS, record)
            if resealed and is_first:
                audit(unit, self._outbox, "provider_key.rotate", "master_key", self._vault.current_id)
            return _Account(resealed, tuple(key.key_id for _, key in stored_keys(record)))

        return await self._documents.unit(work)

    def _reseal(self, record: UserRecord) -> int:
        resealed = 0
        for provider, key in stored_keys(record):
            if key.key_id == self._vault.current_id:
                continue
            try:
                api_key = self._vault.open(record.id, NAMES[provider], key)
            except Unreadable:
                continue
            self._vault.seal(record.id, NAMES[provider], api_key, key)
            resealed += 1
        return resealed

    def _log_result(self, resealed: int, held: Counter[str]) -> None:
        current = self._vault.current_id
        if resealed:
            _log.info("%d provider keys were encrypted under the master key %s", resealed, current)
        if left := held.total() - held[current]:
            _log.warning("%d provider keys do not open under the master keys that are set", left)
