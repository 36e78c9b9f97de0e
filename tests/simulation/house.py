"""The system as the product wires it: its five services, together or apart, with a provider that is the run's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import ExitStack
from unittest.mock import patch

from llmchat.catalog.v1.model_config_pb2 import ModelProvider

import services.catalog.bootstrap as catalog
import services.messages.bootstrap as messages
import services.operations.bootstrap as operations
import services.threads.bootstrap as threads
import services.users.bootstrap as users
from libs.common.documents import portions
from libs.common.events import outbox
from services.messages import abandoned, chunks, endings, generation
from services.messages.providers.port import Health, Prompt, ProviderError, Usage
from tests.simulation.simulation import Simulation

_BOOTSTRAPS = {
    "catalog": catalog.bootstrap,
    "users": users.bootstrap,
    "threads": threads.bootstrap,
    "messages": messages.bootstrap,
    "operations": operations.bootstrap,
}
# Bounds of the product, so low here that small loads go in many pages.
_SMALL = (
    (outbox, "_PAGE", 4),
    (portions, "_DOCUMENTS", 4),
    (portions, "_SLICE", 2),
    (chunks, "MAX_CHUNK_TOKENS", 5),
    (chunks, "_CHUNKS_A_READ", 4),
    (endings, "_CHUNKS_A_COMMIT", 4),
    (generation, "MAX_CHUNK_TOKENS", 5),
    (abandoned, "_LEASES_A_LOOK", 3),
)


class House:
    """What runs, and what the provider has said."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        # By the number of each of the provider's answers: how many tokens it has, once all are given.
        self.said: dict[int, int] = {}
        self._answers = 0

    def start(self, replicas: Mapping[str, int]) -> None:
        """Starts so many processes of each service; see `Simulation.start_all`."""
        self._simulation.start_all({name: _BOOTSTRAPS[name] for name in replicas}, replicas)

    def patched(self) -> ExitStack:
        """What the product's wiring gets from the run instead, while the context is open."""
        stack = ExitStack()
        providers = dict.fromkeys(ModelProvider.values(), _Provider(self._simulation, self))
        stack.enter_context(patch.object(messages, "open_providers", lambda *_: providers))
        stack.enter_context(patch.object(users, "Passwords", _Passwords))
        for module, name, bound in _SMALL:
            stack.enter_context(patch.object(module, name, bound))
        return stack

    def next_answer(self) -> int:
        """The number of an answer that begins."""
        self._answers += 1
        return self._answers


class _Provider:
    """In the place of a maker of models: it stalls, bursts and fails. A token names its answer and its place in it."""

    def __init__(self, simulation: Simulation, house: House) -> None:
        self._simulation = simulation
        self._house = house

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str | Usage, None]:
        """See `Provider.stream`."""
        random, answer = self._simulation.random, self._house.next_answer()
        length = random.choice((0, 2, 20, 50))
        pause = random.choice((0.0, 0.005, 0.02, 0.1, 0.3))
        for number in range(1, length + 1):
            await asyncio.sleep(15 if random.random() < 0.01 else pause)
            yield f"{answer}.{number} "
        if random.random() < 0.1:
            raise ProviderError("OVERLOADED", "the provider fails")
        self._house.said[answer] = length
        yield Usage(1, length)

    async def check(self, api_key: str) -> Health:
        return Health()

    async def close(self) -> None:
        """See `Provider.close`."""


class _Passwords:
    """In the place of bcrypt, which takes a quarter of a second and threads."""

    def __init__(self, cost: int) -> None:
        """`cost` costs nothing here."""

    async def hash(self, password: str) -> str:
        """See `Passwords.hash`."""
        return "hash"

    def close(self) -> None:
        """See `Passwords.close`."""
