"""Calls of one Realtime Database by firebase-admin, which block: each is made in a thread of a few.

`Refused` is what the database's rules refuse; all else that goes wrong is the domain's error, whose text names the
database and repeats nothing that was sent.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from uuid import uuid4

import firebase_admin
from firebase_admin import credentials, db, exceptions
from google.auth.exceptions import GoogleAuthError

from libs.common.errors import Invalid, Unavailable
from libs.common.store.rtdb.address import Address

T = TypeVar("T")
Tree = dict[str, Any]

# As many connections as a session of `requests` keeps.
_THREADS = 10
# A service account's JSON itself; else the file or the account that Google's libraries find.
CREDENTIALS = "GOOGLE_APPLICATION_CREDENTIALS_JSON"
EMULATOR = "FIREBASE_DATABASE_EMULATOR_HOST"


class Refused(Exception):
    """The database's rules refuse the call."""


class Client:
    """One database, as one user of it. It belongs to one event loop."""

    def __init__(self, address: Address, app: firebase_admin.App, root: db.Reference) -> None:
        self._address = address
        self._app = app
        self._root = root
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="rtdb")
        self._is_closed = False

    @classmethod
    def open(cls, address: Address, uid: str | None) -> Client:
        """Prepares calls as the user `uid`, whom the rules know; with None as the owner, whom no rule is asked about.

        Raises:
            Invalid: the credentials in the environment are malformed.
            Unavailable: there are none.
        """
        options: dict[str, Any] = {"databaseURL": address.database_url, "httpTimeout": address.timeout}
        if uid is not None:
            options["databaseAuthVariableOverride"] = {"uid": uid}
        # The SDK knows its apps by name, in all of the process.
        app = firebase_admin.initialize_app(_credential(), options, name=f"llmchat-{uuid4().hex}")
        try:
            root = db.reference("/".join(address.path), app)
            # A refusal by the rules has the status of a token that has expired: the session would renew the token and
            # send the request twice again. Tokens are renewed in time without that.
            root._client.session._refresh_status_codes = ()
        except (ValueError, GoogleAuthError) as error:
            firebase_admin.delete_app(app)
            raise Unavailable(f"{address}: {_told(error)}", retry_after=None) from None
        return cls(address, app, root)

    async def get(self, path: str) -> Any:
        """What is at the path; None where nothing is."""
        return await self._call(lambda: self._root.child(path).get())

    async def children(self, path: str, order: str, **bounds: Any) -> Tree:
        """The children of the node that a query finds, by key: `order` is a child's path, `$key` or `$value`.

        `bounds` are `start_at`, `end_at`, `equal_to`, `limit_to_first` and `limit_to_last`. In the order asked for.
        """
        return await self._call(lambda: _query(self._root.child(path), order, bounds).get() or {})

    async def update(self, values: Mapping[str, Any]) -> None:
        """Puts a value at each path, None deletes: all of them at one moment, or none."""
        await self._call(lambda: self._root.update(dict(values)))

    async def put_rules(self, rules: Mapping[str, Any]) -> None:
        """Puts the database's rules in place of those that it has; of its owner alone."""
        # `Reference` has no word for it, and takes no path with a dot.
        client = self._root._client
        await self._call(lambda: client.request("put", "/.settings/rules.json", json=rules))

    async def close(self) -> None:
        """Waits for the calls under way."""
        self._is_closed = True
        await asyncio.to_thread(self._threads.shutdown)
        firebase_admin.delete_app(self._app)

    async def _call(self, call: Callable[[], T]) -> T:
        if self._is_closed:
            raise Unavailable(f"{self._address}: the store is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except (exceptions.UnauthenticatedError, exceptions.PermissionDeniedError):
            raise Refused from None
        except exceptions.InvalidArgumentError as error:
            if "Index not defined" in str(error):
                text = f"{self._address}: its rules lack an index: deploy those that `llmchat rules` makes"
                raise Unavailable(text, retry_after=None) from None
            raise Invalid(f"{self._address} refuses the data: it is too large, too deep or malformed") from None
        except (exceptions.FirebaseError, GoogleAuthError) as error:
            raise Unavailable(f"{self._address}: {_told(error)}") from None


def _credential() -> credentials.Base | None:
    if os.environ.get(EMULATOR):
        return None
    given = os.environ.get(CREDENTIALS)
    if not given:
        return None
    try:
        return credentials.Certificate(json.loads(given))
    except ValueError:
        raise Invalid(f"{CREDENTIALS} holds no service account's JSON") from None


def _query(node: db.Reference, order: str, bounds: Mapping[str, Any]) -> db.Query:
    match order:
        case "$key":
            query = node.order_by_key()
        case "$value":
            query = node.order_by_value()
        case _:
            query = node.order_by_child(order)
    for name, value in bounds.items():
        query = getattr(query, name)(value)
    return query


def _told(error: Exception) -> str:
    """What went wrong, in words that repeat no request: a URL holds who asks, and what for."""
    if isinstance(error, exceptions.FirebaseError):
        status = error.http_response.status_code if error.http_response is not None else None
        return f"HTTP status {status}" if status else error.code.lower().replace("_", " ")
    if isinstance(error, GoogleAuthError):
        return "Google's credentials were not found, or not accepted"
    return "the database's address or its credentials are malformed"
