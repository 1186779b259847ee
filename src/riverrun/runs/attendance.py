"""Whether anybody still reads a run whose start said that somebody must (PROTOCOL.md §15).

Servers tell the owner of a run through its inbox when readers came and when they left; so what is known survives the
owner, as all controls come again with the next one. A mark holds for a time only: a server that dies cannot take it
back. It does not know connections, servers or the machine: it is given what to do when the time has come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from riverrun.base.clock import Clock

KIND = "readers"
REASON = "nobody reads it any more"
# All marks of an inbox arrive one after another: none is acted on before the next one could be there.
_SETTLING = 0.1


class Attendance:
    """Watch over one run while it is owned here.

    Args:
        grace: Seconds without a reader after which the run is stopped; None: it never is.
        clock: The time, which marks are compared with.
        stop: Told the reason when nobody reads the run any more.
    """

    def __init__(self, grace: float | None, clock: Clock, stop: Callable[[str], None]) -> None:
        self._grace = grace
        self._clock = clock
        self._stop = stop
        self._until_ms: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def stop_at_ms(self) -> float | None:
        """When the run is to be stopped unless something else is told; None: nobody came yet, or nobody must."""
        if self._grace is None or not self._until_ms:
            return None
        return max(self._until_ms.values()) + self._grace * 1000

    def told(self, payload: Mapping[str, Any]) -> None:
        """Take in a mark.

        Args:
            payload: `at` (a server), `ms` (when it was made, since the Unix epoch) and `for`: for how many seconds
                from then on readers are there; 0 or less: the last one left, so long before. What is damaged is passed
                over.
        """
        at, made_ms, seconds = payload.get("at"), payload.get("ms"), payload.get("for")
        if isinstance(at, str) and isinstance(made_ms, int) and isinstance(seconds, int | float):
            self._until_ms[at] = made_ms + 1000 * seconds
            self._set()

    def answered(self) -> None:
        """Begin anew, because somebody cared for the run: it waits for its next reader."""
        self._until_ms.clear()
        self._set()

    def close(self) -> None:
        """Cease to watch; idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self) -> None:
        self.close()
        stop_at_ms = self.stop_at_ms
        if stop_at_ms is not None:
            left = (stop_at_ms - self._clock.now_ms()) / 1000
            self._timer = asyncio.get_running_loop().call_later(max(left, _SETTLING), self._over)

    def _over(self) -> None:
        self._timer = None
        stop_at_ms = self.stop_at_ms
        if stop_at_ms is not None and self._clock.now_ms() >= stop_at_ms:
            self._stop(REASON)
        else:
            self._set()  # the clock was set back meanwhile


def mark(server: str, now_ms: int, seconds: float) -> dict[str, Any]:
    """Make what a server puts into the inbox of a run.

    Args:
        server: Its id.
        now_ms: In milliseconds since the Unix epoch.
        seconds: For how long readers are there, unless more is told; 0 or less: the last one left, so long ago.

    Returns:
        The payload of a control.
    """
    return {"at": server, "ms": now_ms, "for": seconds}
