"""How a process learns who is out: see `Feed`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmchat.access.v1.access_service_pb2 import ListRevocationsRequest, Revocation

from libs.common.clock import milliseconds, timestamp
from libs.common.rpc.interceptors.revocations import Revocations

if TYPE_CHECKING:
    from llmchat.access.v1.access_service_pb2_grpc import AccessServiceAsyncStub

CHANNEL = "revocations"
# A revocation is dated before its commit, by a clock that may be apart from the one of the last look.
_OVERLAP_MS = 60_000


class FollowedRevocations:
    """Keeps `revocations` up to date with those of the users service.

    A hint on the bus holds the revocation. With the bus away a person who is out stays in until the next look, and with
    the users service away as well until their access token expires.
    """

    what = "who is out"
    channel = CHANNEL

    def __init__(self, revocations: Revocations, access: AccessServiceAsyncStub) -> None:
        self._revocations = revocations
        self._access = access
        self._since = 0

    def hear(self, hint: bytes) -> bool:
        """See `Followed.hear`."""
        self._revocations.apply(Revocation.FromString(hint))
        return True

    async def look(self) -> None:
        """See `Followed.look`."""
        request = ListRevocationsRequest(since=timestamp(max(0, self._since - _OVERLAP_MS)))
        while True:
            page = await self._access.ListRevocations(request)
            for revocation in page.revocations:
                self._revocations.apply(revocation)
                self._since = max(self._since, milliseconds(revocation.revoked_at))
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token
