"""What can be set about running: limits with their units. No defaults hide elsewhere."""

from __future__ import annotations

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
        pool_size: Threads for sync nodes.
        buffer: How much a run may have made that is not committed yet; beyond that its producers wait.
        stop_grace: Seconds that a node is given to end once it was told to; then it is abandoned (E3021).
        strict: Refuse what is not JSON at once (E3008), because somebody else will read the log.
    """

    max_running: int = 100
    max_waiting: int = 1000
    recursion_limit: int = 1000
    lease_seconds: float = 10.0
    poll_interval: float = 1.0
    pool_size: int = 16
    buffer: Limits = field(default_factory=Limits)
    stop_grace: float = 5.0
    strict: bool = True
