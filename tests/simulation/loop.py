"""An event loop in virtual time: nothing waits, and the same seed gives the same steps."""

from __future__ import annotations

import asyncio
import sys
from asyncio.events import _get_running_loop, _set_running_loop
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from itertools import count
from typing import Any, TypeVar

T = TypeVar("T")
_CANCELLED: Callable[..., object] = lambda *_: None  # noqa: E731 # stands in the place of what was called off


class Machine:
    """What runs tasks and may die or freeze: a process. Its tasks are those whose context has it in `MACHINE`."""

    def __init__(self) -> None:
        self.dead = False
        self.frozen = False
        # What was due while it was frozen, in order.
        self.held: list[Step] = []


MACHINE: ContextVar[Machine | None] = ContextVar("machine", default=None)


# The context of what is part of no machine: the network, the engines.
OUTSIDE = Context()


def settle(future: asyncio.Future[T], result: T, error: BaseException | None) -> None:
    """Gives `future` its result or its error, unless whoever waits for it has gone."""
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


class Step(asyncio.Handle):
    """A call that is due now or at a time, in its context."""

    __slots__ = ("arguments", "call", "context", "time")

    def __init__(self, call: Callable[..., object], arguments: tuple[Any, ...], context: Context, time: float) -> None:
        self.call = call
        self.arguments = arguments
        self.context = context
        self.time = time

    def cancel(self) -> None:
        self.call, self.arguments = _CANCELLED, ()

    def cancelled(self) -> bool:
        return self.call is _CANCELLED

    def when(self) -> float:
        """When it is due, in the loop's seconds."""
        return self.time


class Task(asyncio.Task[T]):
    """A task that sets and dictionaries keep in the same order in every run."""

    def __init__(self, coroutine: Coroutine[Any, Any, T], number: int, **options: Any) -> None:
        self._number = number
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


class TooLong(Exception):
    """The run goes on for longer than any run should: something turns in a circle."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """Runs what is ready first in, first out; then jumps to the next timer.

    What belongs to a dead machine is never run again: no `finally`, no clean-up. What belongs to a frozen one waits.
    """

    def __init__(self, most_steps: int) -> None:
        """`most_steps`: a run that takes more of them raises TooLong."""
        self.steps = 0
        self.on_failure: Callable[[str], None] = lambda text: None
        self.before_step: Callable[[], None] = lambda: None
        # The step before which `before_step` is called.
        self.attention = sys.maxsize
        self.most_steps = most_steps
        self._now = 0.0
        self._ready: deque[Step] = deque()
        self._timers: list[tuple[float, int, Step]] = []
        self._numbers = count()
        # Nothing is collected during a run: a task of a dead machine that went would run its clean-up.
        self._tasks: list[asyncio.Task[Any]] = []
        self._unrun: list[Step] = []
        self._closed = False

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Runs `main` to its end and gives its result; what else was begun stops where it is."""
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=lambda _: None, finalizer=self._close_generator)
        outer = _get_running_loop()
        _set_running_loop(self)
        try:
            task = self.create_task(main)
            while not task.done():
                self._run_step()
            return task.result()
        finally:
            self._closed = True
            self._drop()
            _set_running_loop(outer)
            sys.set_asyncgen_hooks(*hooks)

    def _run_step(self) -> None:
        ready, timers = self._ready, self._timers
        if not ready:
            if not timers:
                raise TooLong("everybody waits for ever")
            self._now = timers[0][0]
            while timers and timers[0][0] <= self._now:
                ready.append(heappop(timers)[2])
        step = ready.popleft()
        if step.call is _CANCELLED:
            return
        self.steps += 1
        if self.steps >= self.attention:
            self.before_step()
        if self.steps >= self.most_steps:
            raise TooLong(f"more than {self.most_steps} steps, at {self._now:.3f} s")
        machine = step.context.get(MACHINE)
        if machine is not None and (machine.dead or machine.frozen):
            (self._unrun if machine.dead else machine.held).append(step)
            return
        try:
            step.context.run(step.call, *step.arguments)
        except Exception as error:
            self.call_exception_handler({"message": "a callback failed", "exception": error})

    def resume(self, machine: Machine) -> None:
        """Has a machine that was frozen go on with what was due meanwhile."""
        machine.frozen = False
        self._ready.extend(machine.held)
        machine.held = []

    def _drop(self) -> None:
        """Ends what is left without letting it do anything."""
        for task in self._tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            if not task.done():
                # Clean-up finds its world gone.
                with suppress(BaseException):
                    task.get_coro().close()
        self._ready.clear()
        self._timers.clear()
        self._unrun.clear()

    def _close_generator(self, generator: AsyncGenerator[Any, Any]) -> None:
        if not self._closed:
            self.create_task(generator.aclose())

    # What asyncio asks of a loop.

    def time(self) -> float:
        return self._now

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Step:  # type: ignore[override]
        step = Step(callback, args, copy_context() if context is None else context, self._now)
        if not self._closed:
            self._ready.append(step)
        return step

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Step:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Step:
        step = Step(callback, args, copy_context() if context is None else context, max(when, self._now))
        heappush(self._timers, (step.time, next(self._numbers), step))
        return step

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None
    ) -> Task[T]:
        task = Task(coro, next(self._numbers), loop=self, name=name or "", context=context)
        self._tasks.append(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self._closed:
            self.on_failure(f"{context['message']}: {context.get('exception')!r}")

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self._closed

    def is_closed(self) -> bool:
        return self._closed
