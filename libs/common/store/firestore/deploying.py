"""Makes the indexes that are missing, by Firestore's own interface for administrators. An emulator has none."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError
from google.cloud.firestore_admin_v1.services.firestore_admin import FirestoreAdminAsyncClient
from google.cloud.firestore_admin_v1.services.firestore_admin.transports import FirestoreAdminGrpcAsyncIOTransport
from google.cloud.firestore_admin_v1.types import Field, Index

from libs.common.errors import Unavailable
from libs.common.store.firestore.address import Address
from libs.common.store.firestore.connecting import Connection
from libs.common.store.firestore.indexes import Json, firestore_indexes
from libs.common.store.firestore.pausing import pauses
from libs.common.store.port import CollectionSpec

_TIMEOUT = 30.0  # seconds, of each call, and in which it is made again
_PATIENCE = 900.0  # seconds until new indexes must be ready
_LATER = (exceptions.ResourceExhausted, exceptions.Aborted, exceptions.ServiceUnavailable)
_OVERRIDDEN = "indexConfig.usesAncestorConfig:false"
_MISSING = "indexes are missing or not ready: deploy those that `llmchat rules` makes"


async def deploy_indexes(url: str, services: Mapping[str, Iterable[CollectionSpec[Any]]]) -> None:
    """Makes what is missing of the indexes of these services' collections, and returns when all are ready.

    Raises:
        Invalid: the URL or the credentials are malformed.
        Unavailable: Firestore does not answer, the credentials do not suffice, or it takes longer than 15 minutes.
    """
    await deploy(Address.of(url), services)


async def deploy(address: Address, services: Mapping[str, Iterable[CollectionSpec[Any]]]) -> None:
    """As `deploy_indexes`."""
    connection = Connection.to(address, FirestoreAdminGrpcAsyncIOTransport)
    try:
        await _Deploying(address, connection).run(firestore_indexes(services))
    except exceptions.MethodNotImplemented:
        # An emulator answers every query.
        return
    except (exceptions.Forbidden, exceptions.Unauthenticated, GoogleAuthError):
        raise Unavailable(f"{address}: {_MISSING}; these credentials may not make them", retry_after=None) from None
    except exceptions.GoogleAPICallError as error:
        raise Unavailable(f"{address}: {type(error).__name__}") from None
    finally:
        await connection.close()


class _Deploying:
    def __init__(self, address: Address, connection: Connection) -> None:
        self._address = address
        self._calls = FirestoreAdminAsyncClient(transport=connection.transport)
        self._options: dict[str, Any] = {"retry": None, "timeout": _TIMEOUT, "metadata": connection.metadata}

    async def run(self, wanted: Json) -> None:
        """Makes what is missing of what `firestore.indexes.json` holds."""
        overrides: dict[str, list[Json]] = defaultdict(list)
        for override in wanted["fieldOverrides"]:
            overrides[override["collectionGroup"]].append(override)
        indexes: dict[str, list[Json]] = defaultdict(list)
        for index in wanted["indexes"]:
            indexes[index["collectionGroup"]].append(index)
        await asyncio.gather(
            *(self._override(collection, some) for collection, some in overrides.items()),
            *(self._index(collection, some) for collection, some in indexes.items()),
        )

    async def _index(self, collection: str, indexes: list[Json]) -> None:
        """Makes the collection's composite indexes, and waits until they are ready."""
        wanted = {_key(index["fields"]): index for index in indexes}
        for pause in pauses(_PATIENCE):
            pages = await self._asked(self._calls.list_indexes, {"parent": self._group(collection)})
            there = {_key([_json(field) for field in index.fields]): index.state async for index in pages}
            for key in wanted.keys() - there.keys():
                await self._make(collection, wanted[key])
            if all(there.get(key) == Index.State.READY for key in wanted):
                return
            await asyncio.sleep(pause)
        raise Unavailable(f"{self._address}: {_MISSING}", retry_after=None)

    async def _make(self, collection: str, index: Json) -> None:
        fields = [_field(**field) for field in index["fields"]]
        made = Index(query_scope=Index.QueryScope.COLLECTION, fields=fields)
        try:
            await self._asked(self._calls.create_index, {"parent": self._group(collection), "index": made})
        except exceptions.AlreadyExists:
            # Another process opens the same.
            return

    async def _override(self, collection: str, overrides: list[Json]) -> None:
        """Sets which of the collection's fields have indexes of their own."""
        asked = {"parent": self._group(collection), "filter": _OVERRIDDEN}
        there = {
            field.name.rpartition("/")[2]: {_key([_json(one) for one in index.fields]) for index in _indexes(field)}
            async for field in await self._asked(self._calls.list_fields, asked)
        }
        for override in overrides:
            path = override["fieldPath"]
            ways = [{"fieldPath": path, "order": index["order"]} for index in override["indexes"]]
            if there.get(path) != {_key([way]) for way in ways}:
                indexes = [Index(query_scope=Index.QueryScope.COLLECTION, fields=[_field(**way)]) for way in ways]
                field = Field(
                    name=f"{self._group(collection)}/fields/{path}", index_config=Field.IndexConfig(indexes=indexes)
                )
                await self._asked(self._calls.update_field, {"field": field})

    async def _asked(self, call: Callable[..., Awaitable[Any]], request: dict[str, Any]) -> Any:
        """The answer, asked for again while Firestore has too much to do: it takes few such calls at once."""
        waits = pauses(_TIMEOUT)
        while True:
            try:
                return await call(request, **self._options)
            except _LATER:
                pause = next(waits, None)
                if pause is None:
                    raise
            await asyncio.sleep(pause)

    def _group(self, collection: str) -> str:
        return f"{self._address.name}/collectionGroups/{collection}"


def _field(fieldPath: str, order: str = "", arrayConfig: str = "") -> Index.IndexField:  # noqa: N803
    if arrayConfig:
        return Index.IndexField(field_path=fieldPath, array_config=getattr(Index.IndexField.ArrayConfig, arrayConfig))
    return Index.IndexField(field_path=fieldPath, order=getattr(Index.IndexField.Order, order))


def _json(field: Index.IndexField) -> Json:
    """The field as `firestore.indexes.json` says it."""
    if field.array_config:
        return {"fieldPath": field.field_path, "arrayConfig": field.array_config.name}
    return {"fieldPath": field.field_path, "order": field.order.name}


def _key(fields: list[Json]) -> tuple[tuple[str, ...], ...]:
    """What tells an index from others; Firestore adds the name at the end."""
    return tuple(tuple(field.values()) for field in fields if field["fieldPath"] != "__name__")


def _indexes(field: Field) -> list[Index]:
    return list(field.index_config.indexes)
