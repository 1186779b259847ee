"""Named places at which a test lets this process die, or stand still, in the middle of its work.

`RIVERRUN_FAULT_POINT=<point>[:<n>[:<how>]]` asks for it: the n-th time that the point is reached (1 by default) the
process is told to `kill` itself, at once and without a last word (the default), or to `stop` until it is told to go on.
Where nothing is asked for, `reach` is None, and a place costs one look at a name: 20 ns.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from riverrun.base.errors import InputError

POINTS = (
    "append.before",
    "append.after",
    "renew.before",
    "renew.after",
    "node.before",
    "node.after",
    "checkpoint.before",
    "checkpoint.after",
)
_HOW = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}

Reach = Callable[[str], None]


def arm(asked: str) -> Reach | None:
    """Make what is called at the places.

    Args:
        asked: As in the environment; empty for nothing.

    Returns:
        To be called with the name of a place; None when nothing is asked for.

    Raises:
        InputError: E6006, it asks for what there is not.
    """
    if not asked:
        return None
    point, number, how = (*asked.split(":"), "", "")[:3]
    number, how = number or "1", how or "kill"
    if point not in POINTS or how not in _HOW or not (number.isascii() and number.isdigit() and int(number)):
        raise InputError("E6006", f"RIVERRUN_FAULT_POINT is {asked!r}; the points are: {', '.join(POINTS)}")
    left = int(number)

    def reach(name: str) -> None:
        nonlocal left
        if name == point:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), _HOW[how])

    return reach


reach = arm(os.environ.get("RIVERRUN_FAULT_POINT", ""))
