"""A stand-in for Cloud Firestore: its gRPC services over what this process remembers.

`python -m tests.standins.firestore.server [--indexes FILE] [--aborting CHANCE] [--dropping CHANCE]` prints its address
and serves until its standard input ends.

Otherwise than the real one: transactions are optimistic, an index is ready at once, queries see the present alone, and
what is not implemented says so. Nobody listens for changes, and no security rules are asked.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from inspect import isasyncgenfunction
from pathlib import Path
from typing import Any

import grpc

from tests.standins.firestore.admin import AdminCalls, declare
from tests.standins.firestore.calls import FirestoreCalls
from tests.standins.firestore.documents import Database
from tests.standins.firestore.errors import Refused
from tests.standins.firestore.faults import Faults
from tests.standins.firestore.messages import request


class StandInFirestore:
    """The running stand-in.

    Attributes:
        address: Its host and port.
        faults: What becomes of commits.
    """

    def __init__(self, faults: Faults, indexes: dict[str, Any]) -> None:
        self.address = ""
        self.faults = faults
        self._indexes = indexes
        self._databases: dict[str, Database] = {}

    def database(self, name: str) -> Database:
        """The database of that name, `projects/PROJECT/databases/DATABASE`; a new one is made."""
        if name not in self._databases:
            self._databases[name] = Database(name)
            declare(self._databases[name], self._indexes)
        return self._databases[name]

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """The two services."""
        firestore, admin = FirestoreCalls(self.database, self.faults), AdminCalls(self.database)
        return [
            _handlers("google.firestore.v1.Firestore", firestore),
            _handlers("google.firestore.admin.v1.FirestoreAdmin", admin),
        ]


@asynccontextmanager
async def serve_firestore(
    faults: Faults | None = None, indexes: dict[str, Any] | None = None
) -> AsyncIterator[StandInFirestore]:
    """The stand-in on a free port; `indexes` is what `firestore.indexes.json` holds."""
    stand_in = StandInFirestore(faults or Faults(), indexes or {})
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)])
    server.add_generic_rpc_handlers(stand_in.handlers())
    stand_in.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield stand_in
    finally:
        await server.stop(0)


def _handlers(service: str, calls: Any) -> grpc.GenericRpcHandler:
    methods: dict[str, Any] = {}
    for name in vars(type(calls)):
        if name.startswith("_"):
            continue
        method = getattr(calls, name)
        handler, made = (
            (_streaming(method), grpc.unary_stream_rpc_method_handler)
            if isasyncgenfunction(method)
            else (_answering(method), grpc.unary_unary_rpc_method_handler)
        )
        methods[name] = made(handler, request(f"{name}Request").FromString, lambda message: message.SerializeToString())
    return grpc.method_handlers_generic_handler(service, methods)


def _answering(method: Callable[[Any], Any]) -> Any:
    async def answer(asked: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            return await method(asked)
        except Refused as refused:
            await context.abort(refused.code, refused.text)

    return answer


def _streaming(method: Callable[[Any], AsyncIterator[Any]]) -> Any:
    async def stream(asked: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
        try:
            async for part in method(asked):
                yield part
        except Refused as refused:
            await context.abort(refused.code, refused.text)

    return stream


async def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--indexes", type=Path)
    parser.add_argument("--aborting", type=float, default=0.0)
    parser.add_argument("--dropping", type=float, default=0.0)
    arguments = parser.parse_args()
    indexes = json.loads(arguments.indexes.read_text()) if arguments.indexes else {}
    async with serve_firestore(Faults(aborting=arguments.aborting, dropping=arguments.dropping), indexes) as stand_in:
        print(stand_in.address, flush=True)  # noqa: T201
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main())
