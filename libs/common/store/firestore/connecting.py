"""Channels to Firestore: to Google's own with credentials, to an emulator without.

Credentials are a service account's JSON in `GOOGLE_APPLICATION_CREDENTIALS_JSON`, else what Google's libraries find:
the file at `GOOGLE_APPLICATION_CREDENTIALS`, or the account of the machine.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

import google.auth
from google.auth.exceptions import GoogleAuthError
from google.oauth2.service_account import Credentials
from grpc import aio

from libs.common.errors import Invalid, Unavailable
from libs.common.store.firestore.address import Address

CREDENTIALS = "GOOGLE_APPLICATION_CREDENTIALS_JSON"
_SCOPES = ("https://www.googleapis.com/auth/datastore", "https://www.googleapis.com/auth/cloud-platform")
# Whom an emulator asks no security rules about.
_OWNER = (("authorization", "Bearer owner"),)
_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # Clouds forget connections that are idle, without a word.
    ("grpc.keepalive_time_ms", 30_000),
    # Stores of one process have connections of their own, so that closing one of them closes its own.
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True, slots=True)
class Connection:
    """A transport of one of Google's generated clients, and what goes with each call."""

    transport: Any
    channel: aio.Channel
    metadata: tuple[tuple[str, str], ...]

    @classmethod
    def to(cls, address: Address, transport: Any) -> Connection:
        """Of that class, to the database; nothing is sent.

        Raises:
            Invalid: the credentials in the environment are malformed.
            Unavailable: there are none.
        """
        if address.emulator:
            channel = aio.insecure_channel(address.emulator, options=_OPTIONS)
            return cls(transport(host=address.emulator, channel=channel), channel, _OWNER)
        channel = transport.create_channel(transport.DEFAULT_HOST, credentials=_credentials(address), options=_OPTIONS)
        return cls(transport(channel=channel), channel, ())

    async def close(self) -> None:
        """Lets go of the connections."""
        await self.channel.close()


def _credentials(address: Address) -> Any:
    given = os.environ.get(CREDENTIALS)
    try:
        if given:
            return Credentials.from_service_account_info(json.loads(given), scopes=_SCOPES)  # type: ignore[no-untyped-call]
        found, _ = google.auth.default(scopes=_SCOPES)
    except ValueError:
        raise Invalid(f"{CREDENTIALS} holds no service account's JSON") from None
    except GoogleAuthError:
        raise Unavailable(f"{address}: Google's credentials were not found", retry_after=None) from None
    return found
