"""What an answer is asked with where its message does not say: the thread's settings, else the person's, else the
system's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from llmchat.threads.v1.thread_pb2 import ThreadSettings
from llmchat.threads.v1.threads_service_pb2 import GetThreadRequest
from llmchat.users.v1.user_pb2 import UserSettings
from llmchat.users.v1.users_service_pb2 import GetUserSettingsRequest

from libs.common.access.live_config import LiveConfig
from libs.common.errors import DeadlineExceeded, Unavailable
from libs.common.events.bus import Bus
from libs.common.events.changes import change_channel
from libs.common.events.remembered import SETTINGS, Remembered
from libs.common.telemetry.lookups import Lookups
from libs.common.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from llmchat.threads.v1.threads_service_pb2_grpc import ThreadsServiceAsyncStub
    from llmchat.users.v1.users_service_pb2_grpc import UsersServiceAsyncStub

T = TypeVar("T")
# Seconds for which settings are good, and how many people's and threads' are kept.
_FRESH = 300.0
_MOST = 10_000
# Seconds that a service has to tell settings.
_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class Manner:
    """How an answer is asked for. `temperature` is within 0..1; an empty `system_prompt` is none."""

    temperature: float
    system_prompt: str


@dataclass(frozen=True, slots=True)
class _Settings:
    """What a thread or a person has set, and nothing else of them: a message would keep all that it came with. None:
    they leave it to the next in the order.
    """

    temperature: float | None = None
    system_prompt: str | None = None
    streaming: bool = True


class Defaults:
    """Settings of threads and people, remembered for five minutes at most, and asked anew once they have changed.

    Settings are no reason to refuse an answer: where their service is away and nothing is remembered, the next ones in
    the order hold.
    """

    def __init__(
        self, users: UsersServiceAsyncStub, threads: ThreadsServiceAsyncStub, config: LiveConfig, metrics: Metrics
    ) -> None:
        async def of_person(_: str) -> _Settings:
            return _of_person(await users.GetUserSettings(GetUserSettingsRequest()))

        async def of_thread(id: str) -> _Settings:
            return _of_thread((await threads.GetThread(GetThreadRequest(id=id))).settings)

        self._people: Remembered[_Settings] = Remembered(
            of_person, seconds=_FRESH, most=_MOST, lookups=Lookups(metrics, "settings.users")
        )
        self._threads: Remembered[_Settings] = Remembered(
            of_thread, seconds=_FRESH, most=_MOST, lookups=Lookups(metrics, "settings.threads")
        )
        self._config = config

    async def run(self, bus: Bus) -> None:
        """Forgets what has, or may have, changed; until cancelled."""
        async with (
            bus.subscribe(self._people.hear, change_channel("users", SETTINGS)),
            bus.subscribe(self._threads.hear, change_channel("threads", SETTINGS)),
        ):
            await asyncio.Event().wait()

    async def require_thread(self, thread_id: str) -> None:
        """Asks for the thread, and remembers its settings.

        Raises:
            NotFound: there is no such thread of the person for whom this service calls.
            Unavailable: the threads service is away.
        """
        await self._threads.ask(thread_id)

    async def fill(self, user_id: str, thread_id: str, temperature: float | None, system_prompt: str) -> Manner:
        """What holds where the message says `temperature` (None: nothing) and `system_prompt` (empty: nothing). The
        person is the one for whom this service calls.

        Raises:
            NotFound: there is no such thread of theirs.
        """
        if temperature is not None and system_prompt:
            return Manner(temperature, system_prompt)
        thread = await _known(self._threads.get, thread_id) or _Settings()
        person = await self._of(user_id)
        system = self._config.current.defaults
        return Manner(
            _first(temperature, thread.temperature, person.temperature, default=system.temperature),
            _first(system_prompt or None, thread.system_prompt, person.system_prompt, default=system.system_prompt),
        )

    async def streams(self, user_id: str) -> bool:
        """Whether the person is told answers token by token; else in one piece."""
        if not self._config.current.features.streaming:
            return False
        return (await self._of(user_id)).streaming

    async def _of(self, user_id: str) -> _Settings:
        return await _known(self._people.get, user_id) or _Settings()


def _of_person(settings: UserSettings) -> _Settings:
    return _Settings(
        temperature=settings.default_temperature if settings.HasField("default_temperature") else None,
        # One that is set to nothing holds: there is none then.
        system_prompt=settings.system_prompt if settings.HasField("system_prompt") else None,
        streaming=settings.streaming_enabled if settings.HasField("streaming_enabled") else True,
    )


def _of_thread(settings: ThreadSettings) -> _Settings:
    return _Settings(
        temperature=settings.temperature if settings.HasField("temperature") else None,
        system_prompt=settings.system_prompt or None,
    )


def _first(*wanted: T | None, default: T) -> T:
    return next((one for one in wanted if one is not None), default)


async def _known(get: Callable[[str], Awaitable[T]], id: str) -> T | None:
    """None where the service that knows is away, or slow."""
    try:
        async with asyncio.timeout(_PATIENCE):
            return await get(id)
    except (Unavailable, DeadlineExceeded, TimeoutError):
        return None
