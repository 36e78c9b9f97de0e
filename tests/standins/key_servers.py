"""A stand-in for the three makers' servers as they are asked whether they take a key: their lists of models."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


class StandInKeyServers:
    """Takes the keys in `accepted`. With a `status` it answers that to everybody."""

    def __init__(self) -> None:
        self.url = ""
        self.accepted: set[str] = set()
        self.status: int | None = None
        # Path with query, and the key that came along.
        self.asked: list[tuple[str, str]] = []

    async def anthropic(self, request: web.Request) -> web.Response:
        """GET /v1/models with `x-api-key` and the version that Anthropic requires."""
        assert request.headers["anthropic-version"] == "2023-06-01"
        return self._answer(request, request.headers["x-api-key"], 401)

    async def openai(self, request: web.Request) -> web.Response:
        """GET /openai/v1/models with a bearer token."""
        return self._answer(request, request.headers["authorization"].removeprefix("Bearer "), 401)

    async def google(self, request: web.Request) -> web.Response:
        """GET /v1beta/models with `x-goog-api-key`."""
        return self._answer(request, request.headers["x-goog-api-key"], 400)

    def _answer(self, request: web.Request, key: str, refusal: int) -> web.Response:
        self.asked.append((request.path_qs, key))
        status = self.status or (200 if key in self.accepted else refusal)
        # Servers repeat what they were given; so nothing of this text may go further.
        return web.json_response({"error": {"message": f"refused: {key}"}}, status=status)


@asynccontextmanager
async def serve_key_servers() -> AsyncIterator[StandInKeyServers]:
    """The stand-in on a free port."""
    stand_in = StandInKeyServers()
    app = web.Application()
    app.router.add_get("/v1/models", stand_in.anthropic)
    app.router.add_get("/openai/v1/models", stand_in.openai)
    app.router.add_get("/v1beta/models", stand_in.google)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        stand_in.url = f"http://{host}:{port}"
        yield stand_in
    finally:
        await runner.cleanup()
