"""One reader's place on a log: apply an event only if it continues, so that nothing is lost, repeated or reordered.

This is the whole rule of exactly-once reading (PROTOCOL.md, "Reading"): keep the place together with what was made of
the events, apply `place + 1`, ignore what is known, and read again after the place when something is missing.
"""

from __future__ import annotations

from enum import Enum

from riverrun.base.errors import CursorError


class Verdict(Enum):
    """What a reader does with an event that arrived."""

    APPLY = "apply"
    KNOWN = "known"
    GAP = "gap"


def judge(place: int, seq: int) -> Verdict:
    """Say what a reader at `place` does with event `seq`.

    Args:
        place: seq of the last event that was applied; 0 at the start.
        seq: seq of the event that arrived.

    Returns:
        APPLY exactly when it continues; GAP means: read again after `place`.
    """
    if seq == place + 1:
        return Verdict.APPLY
    return Verdict.KNOWN if seq <= place else Verdict.GAP


def cursor(log: str, seq: int) -> str:
    """Write a cursor: `<log>.<seq>`, what stands in the `id` of an SSE event."""
    return f"{log}.{seq}"


def parse_cursor(text: str) -> tuple[str | None, int]:
    """Read a cursor, or a bare seq.

    Args:
        text: `<log>.<seq>` or `<seq>`; the empty text means the start.

    Returns:
        Id of the log (None when it was not named) and the seq.

    Raises:
        CursorError: E2007, it is neither.
    """
    log, dot, number = text.strip().rpartition(".")
    # At most 15 digits: every seq stays exact in a JavaScript number. isascii: int() takes other scripts' digits too.
    good_number = number.isascii() and number.isdigit() and len(number) <= 15
    good_log = not dot or (len(log) == 8 and all(char in "0123456789abcdef" for char in log))
    if not text.strip():
        return None, 0
    if not (good_number and good_log):
        raise CursorError("E2007", f"{text[:64]!r} is not a cursor")
    return log or None, int(number)
