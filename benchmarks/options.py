"""How long a run may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """`length` scales every measurement: 1 for what the goals were written for, less for a quick look."""

    length: float = 1.0

    def seconds(self, usual: float) -> float:
        """How long to measure what is usually measured for `usual` seconds."""
        return max(0.2, usual * self.length)

    def rounds(self, usual: int) -> int:
        """How often to repeat what is usually repeated `usual` times."""
        return max(2, round(usual * self.length)) if usual > 1 else 1
