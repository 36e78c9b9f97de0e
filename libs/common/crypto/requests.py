"""What is kept of a request, so that a repeat is known and answered: nothing that can be read without the key."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from google.protobuf.message import Message

from libs.common.crypto.envelopes import Unreadable, open_envelope, seal


class RequestSeal:
    """Digests requests and seals answers, which may hold secrets both, under the first of its keys; reads under all."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = tuple(keys)

    def digest(self, method: str, message: Message) -> bytes:
        """HMAC-SHA256 of the method and the message without its `request_id`."""
        return _digest(self._keys[0], method, message)

    def matches(self, digest: bytes, method: str, message: Message) -> bool:
        """Whether `digest` was made of the same."""
        return any(hmac.compare_digest(digest, _digest(key, method, message)) for key in self._keys)

    def seal(self, record_id: str, answer: bytes) -> bytes:
        """An envelope for the record of that id."""
        return seal(self._keys[0], answer, record_id.encode())

    def open(self, record_id: str, envelope: bytes) -> bytes | None:
        """The answer; None where its key is not among these any more."""
        for key in self._keys:
            try:
                return open_envelope(key, envelope, record_id.encode())
            except Unreadable:
                continue
        return None


def _digest(key: bytes, method: str, message: Message) -> bytes:
    body = type(message)()
    body.CopyFrom(message)
    if "request_id" in body.DESCRIPTOR.fields_by_name:
        body.ClearField("request_id")
    return hmac.digest(key, method.encode() + b"\0" + body.SerializeToString(deterministic=True), "sha256")
