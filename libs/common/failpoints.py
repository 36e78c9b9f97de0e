"""Failpoints: places in the code, by name, where a process can be made to die, to freeze or to fail.

Off unless a setting arms them; then `reach` is one look into an empty mapping.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from libs.common.errors import Invalid, Unavailable

_log = logging.getLogger(__name__)
_ACTIONS = {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP}
_ERROR = "error"

# By name: what is stored and what is not when it is reached.
FAILPOINTS = MappingProxyType(
    {
        "after_commit_before_publish": "an event is stored and nobody has heard of it",
        "after_effect_before_ack": "a consumer has handled an event and not said so",
        "between_steps_of_effect": "a consumer has stored one step of a large effect",
        "after_settle_before_next": "an event is settled, and the next one of its aggregate is not published yet",
        "after_chunk_before_delivery": "tokens are stored and no follower has seen them",
        "before_end_of_answer": "an answer's tokens are all collected and its end is not stored",
        "after_fence_before_end": "a generation is fenced off and its end is not stored",
    }
)


@dataclass(slots=True)
class _Armed:
    action: str
    passes: int


class Failpoints:
    """The failpoints that a setting has armed: each acts once, at the given time that it is reached."""

    def __init__(self, armed: Mapping[str, tuple[str, int]] | None = None) -> None:
        """`armed`: by name, the action (`kill`, `freeze`, `error`) and how often it is passed before that."""
        self._armed = {name: _Armed(action, passes) for name, (action, passes) in (armed or {}).items()}

    @classmethod
    def parse(cls, text: str) -> Failpoints:
        """Reads `NAME=ACTION[@N],…`: at the Nth time (the first when left out) that the process reaches it.

        Raises:
            Invalid: a name or an action is not known, or N is not a number from 1.
        """
        armed = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, rest = part.partition("=")
            action, _, number = rest.partition("@")
            if name not in FAILPOINTS or action not in (*_ACTIONS, _ERROR) or not (number or "1").isdecimal():
                raise Invalid(
                    f"{part!r} is no failpoint: NAME=kill|freeze|error[@N], NAME one of {', '.join(FAILPOINTS)}"
                )
            armed[name] = (action, max(0, int(number or "1") - 1))
        return cls(armed)

    def reach(self, name: str) -> None:
        """Passes, unless `name` is armed and its time has come.

        Raises:
            Unavailable: the failpoint's action is `error`.
        """
        if name in self._armed:
            self._act(name)

    def _act(self, name: str) -> None:
        armed = self._armed[name]
        if armed.passes:
            armed.passes -= 1
            return
        del self._armed[name]
        _log.warning("failpoint %s: %s", name, armed.action)
        if armed.action == _ERROR:
            raise Unavailable(f"failpoint {name}")
        os.kill(os.getpid(), _ACTIONS[armed.action])
