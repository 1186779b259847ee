"""When the demo breaks what, and how fast its agents speak: verdicts only, from what a reader has seen.

How much a review will say is not known before it is said, so it is estimated from the size of the documents. The
estimate decides only the moment of the faults and the pace; nothing that is counted depends on it.
"""

from __future__ import annotations

import math
from enum import Enum

from riverrun.events.kinds import Event, NodeChunk, NodeCompleted, NodeEvent, NodeRetrying, Terminal

SPEAKING_SECONDS = 11.0  # with both faults and the time to recover from them, the demo then takes 10–20 s
CUT_AT = 0.25
KILL_AT = 0.34
_FEWEST, _MOST = 200, 3000


class Fault(Enum):
    """What the demo does to itself, in this order."""

    CUT = "cut"
    KILL = "kill"


def expected_chunks(size_bytes: int) -> int:
    """Estimate how many chunks a review of so many bytes has.

    Args:
        size_bytes: Of all documents together.

    Returns:
        A number; agents put out a bounded text whatever they read, so it stops growing.
    """
    # Fitted to reviews of 0.1, 32 and 200 kB: 250, 1,180 and 2,670 chunks.
    return max(_FEWEST, min(_MOST, 230 + round(5.3 * math.sqrt(size_bytes))))


def pace_for(size_bytes: int) -> float:
    """Choose the seconds between two words, so that the agents and then the editor speak for about 11 s in all.

    Args:
        size_bytes: Of all documents together.

    Returns:
        Seconds.
    """
    # Three agents speak at once: the longest chain of words is about three quarters of all chunks.
    return round(SPEAKING_SECONDS / (0.75 * expected_chunks(size_bytes)), 4)


class Schedule:
    """Say after which event the next fault is due: the cut first, then the kill, each once.

    Args:
        expected: Estimated number of chunks of the run.

    Attributes:
        due: The faults that have not come yet.
    """

    def __init__(self, expected: int) -> None:
        self._cut_at = max(1, round(CUT_AT * expected))
        self._kill_at = max(2, round(KILL_AT * expected))
        self._chunks = 0
        self._speaking: dict[str, str] = {}  # by execution: its last piece of text
        self.due = [Fault.CUT, Fault.KILL]

    def take(self, event: Event) -> Fault | None:
        """Take in an event that was applied.

        Args:
            event: The next one of the run.

        Returns:
            The fault that is due now, if any; it is not asked for again.
        """
        if isinstance(event, NodeChunk):
            self._chunks += 1
            if isinstance(event.value, str):
                self._speaking[event.exec] = event.value
        elif isinstance(event, NodeCompleted | NodeRetrying) and isinstance(event, NodeEvent):
            self._speaking.pop(event.exec, None)
        if not self.due or isinstance(event, Terminal):
            return None
        if self.due[0] is Fault.CUT:
            ready = self._chunks >= self._cut_at
        else:
            ready = self._chunks >= self._kill_at and self._mid_sentence()
        return self.due.pop(0) if ready else None

    def _mid_sentence(self) -> bool:
        return any(not text.rstrip().endswith((".", "\n", "?", "!")) for text in self._speaking.values())
