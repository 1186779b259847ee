"""How many runs there may be at once: a verdict, so that a full worker says so instead of growing."""

from __future__ import annotations

from riverrun.base.errors import Busy
from riverrun.runs.settings import RunSettings


def admit(running: int, waiting: int, settings: RunSettings) -> bool:
    """Decide what becomes of a start.

    Args:
        running: Runs that run in this process.
        waiting: Runs of this process that wait for a place.
        settings: The limits.

    Returns:
        True: it runs now. False: it waits in the store until a place is free.

    Raises:
        Busy: E3010, both limits are reached.
    """
    if running < settings.max_running and not waiting:
        return True
    if waiting < settings.max_waiting:
        return False
    what = f"{running} runs are running and {waiting} waiting, as many as may (max_running, max_waiting)"
    raise Busy("E3010", what, retry_after=1.0)
