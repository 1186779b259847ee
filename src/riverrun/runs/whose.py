"""Whose code a line belongs to, so that a person is shown the line they can change and not one of a library.

It knows where Python keeps what was installed; it does not know runs.
"""

from __future__ import annotations

import traceback
from functools import cache
from types import TracebackType

# Whose code a frame runs: the lower, the more it says to the user.
THEIRS, INSTALLED, STANDARD, OURS = range(4)

_HERE = __file__.rpartition("riverrun")[0] + "riverrun"
_EXAMPLES = f"{_HERE}/examples"  # in a wheel they are shipped inside, and are programs like any other


@cache
def of_whom(filename: str) -> int:
    """Say whose a file is.

    Args:
        filename: As a frame names it.

    Returns:
        `THEIRS`, `INSTALLED` (a package), `STANDARD` (the library of Python) or `OURS`.
    """
    import sysconfig  # noqa: PLC0415  # 3 ms of every `import riverrun`, for the moment when something goes wrong

    paths = sysconfig.get_paths()
    if filename.startswith(_HERE) and not filename.startswith(_EXAMPLES):
        return OURS
    if filename.startswith((paths["purelib"], paths["platlib"])):
        return INSTALLED
    if filename.startswith((paths["stdlib"], paths["platstdlib"], "<frozen")):
        return STANDARD
    return THEIRS


def line_of(trace: TracebackType | None) -> str:
    """Give the line that an exception should be looked for at: the innermost of whoever is nearest to the user.

    Args:
        trace: Of the exception.

    Returns:
        `file:line`; empty where only our own code ran.
    """
    best, rank = "", OURS
    for frame, line in traceback.walk_tb(trace):
        filename = frame.f_code.co_filename
        of = of_whom(filename)
        if of <= rank and of < OURS:
            best, rank = f"{filename}:{line}", of
    return best
