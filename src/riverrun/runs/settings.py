"""What can be set about running: limits with their units. No defaults hide elsewhere."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from riverrun.log.limits import Limits


class RunSettings(Struct, frozen=True, kw_only=True):
    """Limits and intervals of one worker.

    Attributes:
        max_running: Runs that run at once in this process.
        max_waiting: Runs of this process that may wait for a place; beyond that a start is refused (E3010).
        recursion_limit: Executions of nodes that a run may make, unless its start says otherwise.
        lease_seconds: How long a claim lasts without renewal: after a crash another worker takes over within this
            time and a second.
        poll_interval: Seconds between two looks for queued and orphaned runs.
        pool_size: Threads for sync nodes that stay, once they were needed.
        pool_max: Threads for sync nodes while the queue before them is full.
        pool_queue: Calls of sync nodes that may wait for a thread.
        pool_full: What a call does when even that is full: `wait`, be refused (`refuse`, E3044), or `call` its function
            on the event loop.
        buffer: How much a run may have made that is not committed yet; beyond that its producers wait.
        stop_grace: Seconds that a node is given to end once it was told to; then it is abandoned (E3021).
        checkpoint_events: A run gets a checkpoint after so many events, at least, so that a recovery takes as long
            as these do, whatever the length of the run; 0: none.
        checkpoint_interval: Seconds between two looks for runs that are due.
        strict: Refuse what is not JSON at once (E3008), because somebody else will read the log.
    """

    max_running: int = 100
    max_waiting: int = 1000
    recursion_limit: int = 1000
    lease_seconds: float = 10.0
    poll_interval: float = 1.0
    pool_size: int = 10
    pool_max: int = 20
    pool_queue: int = 200
    pool_full: Literal["wait", "refuse", "call"] = "wait"
    buffer: Limits = field(default_factory=Limits)
    stop_grace: float = 5.0
    checkpoint_events: int = 20_000
    checkpoint_interval: float = 1.0
    strict: bool = True
