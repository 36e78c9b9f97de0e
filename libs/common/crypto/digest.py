"""What a request says, in 32 bytes: tells a repeated request from another one under the same request id."""

from __future__ import annotations

import hmac

from google.protobuf.message import Message


class Digest:
    """A keyed digest, so that a stored one tells nothing of a request that held a secret."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __call__(self, method: str, message: Message) -> bytes:
        """HMAC-SHA256 of the method and the message without its `request_id`."""
        body = type(message)()
        body.CopyFrom(message)
        if "request_id" in body.DESCRIPTOR.fields_by_name:
            body.ClearField("request_id")
        return hmac.digest(self._key, method.encode() + b"\0" + body.SerializeToString(deterministic=True), "sha256")
