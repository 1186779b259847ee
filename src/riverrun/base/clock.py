"""The only reader of time, so that everything else can be run under a clock that a test moves by hand.

Pure rooms never import this file: they are given `now`.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What the shells ask for the time."""

    def now_ms(self) -> int:
        """Return the wall-clock time in milliseconds since the Unix epoch."""
        ...

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now_ms(self) -> int:
        """Return the wall-clock time in milliseconds since the Unix epoch."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        return time.monotonic()


class ManualClock:
    """A clock that stands still until a test moves it.

    Args:
        now_ms: Where it starts, in milliseconds since the Unix epoch.
    """

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._ms = float(now_ms)

    def now_ms(self) -> int:
        """Return the time it was set to, in milliseconds since the Unix epoch."""
        return int(self._ms)

    def monotonic(self) -> float:
        """Return the same time in seconds."""
        return self._ms / 1000

    def advance(self, seconds: float) -> None:
        """Move the clock forward by that many seconds."""
        self._ms += seconds * 1000


def iso(ts: int) -> str:
    """Write a time, in milliseconds since the Unix epoch, as ISO 8601 in UTC."""
    from datetime import UTC, datetime  # noqa: PLC0415  # 1.4 ms of every `import riverrun`, and hardly ever needed

    return datetime.fromtimestamp(ts / 1000, UTC).isoformat()
