"""What a reader asked for beside events, and how it is written to because of that and its pace (PROTOCOL.md §14).

Rules of this file:

* Nobody who did not ask for it gets joined chunks.
* A reader that is behind is never made to wait: a pause is only for one that has all there is.
* Nothing is kept for a reader but two numbers: what it has not taken stays in the log.

Pure; it is told the times. It does not know connections, pages or what is written.
"""

from __future__ import annotations

from typing import NamedTuple

# A write that takes so long meets a network or a reader that is slower than the run; locally it takes microseconds.
SLOW_SECONDS = 0.05
LONGEST_PAUSE = 1.0


class Wish(NamedTuple):
    """What a reader asked for.

    Attributes:
        interval: Seconds between two writes, at least, while the reader has all there is; chunks may be joined. None:
            nothing of the sort.
        max_bytes: Bytes of a frame and of a write, at most, unless one event is longer; None: as the server likes.
        adaptive: Whether chunks may be joined while the reader does not keep up.
        reader: What the reader calls itself; empty for nothing.
    """

    interval: float | None = None
    max_bytes: int | None = None
    adaptive: bool = False
    reader: str = ""


class Stride:
    """How one reader is written to at the moment.

    Args:
        wish: What it asked for.

    Attributes:
        joins: Whether chunks are joined.
        pause: Seconds, at least, between two writes while the reader has all there is.
    """

    __slots__ = ("_adaptive", "joins", "pause")

    def __init__(self, wish: Wish) -> None:
        self._adaptive = wish.adaptive and wish.interval is None
        self.joins = wish.interval is not None
        self.pause = wish.interval or 0.0

    def wrote(self, seconds: float, behind: int) -> None:
        """Take in how a write went.

        Args:
            seconds: How long it took until the connection would take more.
            behind: How many events the reader has not been sent then.
        """
        if not self._adaptive:
            return
        slow = seconds >= SLOW_SECONDS
        # It joins until the reader keeps up again in both ways, so that it does not go to and fro on the border.
        self.joins = slow or behind > 0
        # Who takes long is given time, so that the next write holds more.
        self.pause = min(seconds, LONGEST_PAUSE) if slow else 0.0
