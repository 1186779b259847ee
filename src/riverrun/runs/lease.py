"""Who owns a run: leases are renewed in a thread, so that a node that blocks the event loop cannot lose them.

The same heartbeat brings back what users asked of the runs (stop). Past its own deadline, on its own monotonic clock, a
worker begins no side effect, whatever the store says: `gate` makes nodes wait until the lease is confirmed.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from functools import partial

from riverrun.base.clock import Clock
from riverrun.base.errors import RiverrunError
from riverrun.log.store import Control, Held, LogStore, Renewal, RunKey
from riverrun.runs.points import reach

_log = logging.getLogger("riverrun.runs")

# Renew three times per lease, and stop beginning things a tenth before it ends.
_RENEWALS_PER_LEASE = 3
# And at least so often, because what was asked of a run at another process is heard with a renewal only: a stop is to
# reach its node within a second wherever it was asked for.
_LOOK_INTERVAL = 0.5
_MARGIN = 0.1


class Lease:
    """One run that this worker owns.

    Args:
        key: Which run.
        epoch: Its fencing number.
        deadline: On the monotonic clock, in seconds: begin nothing after it.
        lost: Called on the loop when another worker has taken the run.
        asked: Called on the loop with each control, once, in order.
    """

    def __init__(
        self, key: RunKey, epoch: int, deadline: float, lost: Callable[[], None], asked: Callable[[Control], None]
    ) -> None:
        self.key = key
        self.epoch = epoch
        self.deadline = deadline
        self.lost = lost
        self.asked = asked
        self.controls_after = 0
        self.waiting: list[asyncio.Future[None]] = []


class LeaseKeeper:
    """Renew the leases of a worker.

    Args:
        store: Where they are.
        worker: Id of the worker.
        clock: The time.
        lease_seconds: How long a renewal lasts.
    """

    def __init__(self, store: LogStore, worker: str, clock: Clock, lease_seconds: float) -> None:
        self._store = store
        self._worker = worker
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._leases: dict[RunKey, Lease] = {}
        self._lock = threading.Lock()
        self._look = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        """Start the thread. Idempotent; needs a running event loop."""
        if self._thread is None:
            self._loop = asyncio.get_running_loop()
            self._closing.clear()
            self._thread = threading.Thread(target=self._renew_for_ever, name="riverrun-lease", daemon=True)
            self._thread.start()

    def hold(
        self, key: RunKey, epoch: int, deadline: float, lost: Callable[[], None], asked: Callable[[Control], None]
    ) -> Callable[[], asyncio.Future[None] | None]:
        """Keep a run that was just claimed.

        Args:
            key: Which run.
            epoch: Its fencing number.
            deadline: What `new_deadline` said before the claim was made.
            lost: As in `Lease`.
            asked: As in `Lease`.

        Returns:
            The gate: None when a node may begin, else a future to wait for.
        """
        lease = Lease(key, epoch, deadline, lost, asked)
        with self._lock:
            self._leases[key] = lease
        return lambda: self._gate(lease)

    def drop(self, key: RunKey, epoch: int) -> None:
        """Keep a run no longer: it has ended, or is another's. One that was claimed again since is kept."""
        with self._lock:
            lease = self._leases.get(key)
            if lease is not None and lease.epoch == epoch:
                del self._leases[key]

    def heard(self, key: RunKey, epoch: int) -> asyncio.Future[None]:
        """Ask for what is in the inbox of a run that is kept.

        Args:
            key: Which run.
            epoch: Under which it is kept.

        Returns:
            A future that is done once `asked` was called with every control that was there when the run was claimed;
            never, where the run is lost.
        """
        future = asyncio.get_running_loop().create_future()
        with self._lock:
            lease = self._leases.get(key)
            if lease is not None and lease.epoch == epoch:
                lease.waiting.append(future)
        self._look.set()
        return future

    def look_now(self) -> None:
        """Renew now rather than later, to hear of controls at once."""
        self._look.set()

    async def close(self) -> None:
        """Stop renewing and let the leases end now, so that the next worker need not wait for them. Idempotent."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._closing.set()
            self._look.set()
            await asyncio.to_thread(thread.join)

    def new_deadline(self) -> float:
        """Give the time until which a lease that is asked for now can be relied on: before its end in the store."""
        return self._deadline(self._lease_seconds)

    def _deadline(self, lease_seconds: float) -> float:
        return self._clock.monotonic() + lease_seconds * (1 - _MARGIN)

    def _gate(self, lease: Lease) -> asyncio.Future[None] | None:
        if self._clock.monotonic() < lease.deadline:
            return None
        future = asyncio.get_running_loop().create_future()
        with self._lock:
            lease.waiting.append(future)
        self._look.set()
        return future

    def _renew_for_ever(self) -> None:
        while not self._closing.is_set():
            self._renew(self._lease_seconds)
            self._look.wait(min(self._lease_seconds / _RENEWALS_PER_LEASE, _LOOK_INTERVAL))
            self._look.clear()
        self._renew(0.0)

    def _renew(self, lease_seconds: float) -> None:
        with self._lock:
            held = [Held(lease.key, lease.epoch, lease.controls_after) for lease in self._leases.values()]
        if not held:
            return
        deadline = self._deadline(lease_seconds)  # before the call
        if reach:
            reach("renew.before")
        try:
            renewal = self._store.renew(self._worker, held, lease_seconds)
        except RiverrunError as error:
            _log.warning("leases could not be renewed: %s", error)
            return
        except Exception:  # noqa: BLE001  # see below
            # Whatever it is, without this thread every run of this worker would stand still and then be taken.
            _log.exception("leases could not be renewed")
            return
        if reach:
            reach("renew.after")
        self._take(held, deadline, renewal)

    def _take(self, held: list[Held], deadline: float, renewal: Renewal) -> None:
        """Tell the runs what a renewal brought."""
        for key, epoch, _ in held:
            lease = self._leases.get(key)
            if lease is None or lease.epoch != epoch:
                continue
            if key in renewal.lost:
                self.drop(key, epoch)
                self._call(lease.lost)
                continue
            lease.deadline = deadline
            for control in renewal.controls.get(key, ()):
                lease.controls_after = control.n
                self._call(partial(lease.asked, control))
            with self._lock:
                waiting, lease.waiting = lease.waiting, []
            for future in waiting:
                self._call(partial(_release, future))

    def _call(self, function: Callable[[], None]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function)


def _release(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
