"""How a run ended and how a connection ended, each with the reader's duty: never, now or ask.

A new way to end cannot forget its policy: both are tables, and clients in other languages are generated from them
(PROTOCOL.md, "Endings").
"""

from __future__ import annotations

from enum import Enum


class Duty(Enum):
    """What a reader does when something ended."""

    NEVER = "never"
    NOW = "now"
    ASK = "ask"


class Ending(Enum):
    """How a run ended; the value is the type of its terminal event without `run.`."""

    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    TIMED_OUT = "timed_out"
    LOST = "lost"

    @property
    def duty(self) -> Duty:
        """What the reader does: reconnect never, now, or ask the user."""
        return RUN_DUTIES[self]


class Close(Enum):
    """How a connection ended."""

    ENDED = "ended"  # the terminal event was received
    DETACHED = "detached"  # the reader left
    NETWORK = "network"  # cut, reset, or a body that ended without a terminal event
    SILENT = "silent"  # no byte for longer than heartbeats allow
    ROTATED = "rotated"  # the server asked the reader to come back
    SUPERSEDED = "superseded"  # the same reader has a newer connection
    BUSY = "busy"  # 429 or 503
    REFUSED = "refused"  # any other 4xx: a new try would be refused again
    GONE = "gone"  # 410: the place asked for was trimmed, or the log is another one

    @property
    def duty(self) -> Duty:
        """What the reader does: reconnect never, now, or ask the user."""
        return CLOSE_DUTIES[self]


RUN_DUTIES: dict[Ending, Duty] = {
    Ending.COMPLETED: Duty.NEVER,
    Ending.FAILED: Duty.NEVER,
    Ending.STOPPED: Duty.NEVER,
    Ending.TIMED_OUT: Duty.ASK,
    Ending.LOST: Duty.ASK,
}

CLOSE_DUTIES: dict[Close, Duty] = {
    Close.ENDED: Duty.NEVER,
    Close.DETACHED: Duty.NEVER,
    Close.NETWORK: Duty.NOW,
    Close.SILENT: Duty.NOW,
    Close.ROTATED: Duty.NOW,
    Close.SUPERSEDED: Duty.NEVER,
    Close.BUSY: Duty.NOW,
    Close.REFUSED: Duty.NEVER,
    Close.GONE: Duty.ASK,
}
