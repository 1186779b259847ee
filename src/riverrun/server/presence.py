"""Which runs are read at this server, told to their owners where the start of the run asked for it (PROTOCOL.md §15).

Rules of this file:

* Of a run that goes on whoever reads it nothing is told: its first reader costs one small read, later ones nothing.
* A reader that comes back within the grace was never away: nothing is told of it.
* A poll counts while it is open and for a while after; so does a stream that the server itself asked to come back.
* What is told holds for `MARK_SECONDS` and is told again before that.

It does not know connections or routes, nor who stops a run: that is its owner (`riverrun.runs.attendance`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress

from riverrun.base.clock import Clock
from riverrun.base.errors import CursorError, InputError, NotFound, RiverrunError
from riverrun.base.ids import new_worker_id
from riverrun.events.ending import Close
from riverrun.events.kinds import RunStarted
from riverrun.log.store import RunKey
from riverrun.runs.service import RunService
from riverrun.transports.serve import Reader

_log = logging.getLogger("riverrun.server")

MARK_SECONDS = 150.0
LINGER_SECONDS = 10.0
_TELL_AGAIN = 60.0
_TRY_AGAIN = 1.0
_KNOWN_LIMIT = 4096


class _Seat:
    """Those who read one run here."""

    __slots__ = ("changed", "gone_at", "lingering", "open", "task", "told")

    def __init__(self) -> None:
        self.open = 0
        self.lingering: dict[str, float] = {}  # by name: until when, on the loop's clock
        self.gone_at = 0.0
        self.changed = asyncio.Event()
        self.told = False
        self.task: asyncio.Task[None] | None = None

    def until(self, now: float) -> float | None:
        """Say until when somebody is here: None without end, a time that has passed when nobody is."""
        if self.open:
            return None
        last = max([self.gone_at, *self.lingering.values()])
        if last <= now:
            self.gone_at = last
            self.lingering.clear()
        return last


class Presence:
    """Count the readers of each run, and tell the owners of those that want to know.

    Args:
        service: Gives the running service.
        clock: The time that owners compare with.

    Attributes:
        server: The name that owners know this server by.
    """

    def __init__(self, service: Callable[[], Awaitable[RunService]], clock: Clock) -> None:
        self.server = new_worker_id()
        self._service = service
        self._clock = clock
        self._seats: dict[RunKey, _Seat] = {}
        self._closed = False
        self._graces: OrderedDict[RunKey, float | None] = OrderedDict()  # the policies of the runs last read

    def came(self, reader: Reader) -> None:
        """Note that a connection was opened."""
        seat = self._seat(reader.key)
        if seat is not None:
            seat.open += 1
            seat.lingering.pop(reader.name, None)
            seat.changed.set()

    def left(self, reader: Reader, close: Close | None) -> None:
        """Note that a connection is no more.

        Args:
            reader: As it came.
            close: How it was ended; who was asked to come back is not gone yet.
        """
        seat = self._seats.get(reader.key)
        if seat is not None and seat.open:
            seat.open -= 1
            now = asyncio.get_running_loop().time()
            seat.gone_at = now
            if close is Close.ENDED and seat.task is not None:
                self._remove(reader.key, seat)  # the run is over: nobody wants to know any more
                seat.task.cancel()
                return
            if close is Close.ROTATED:
                seat.lingering[reader.name] = now + LINGER_SECONDS
            seat.changed.set()

    def polled(self, reader: Reader) -> None:
        """Note that a reader was answered and will ask again."""
        seat = self._seat(reader.key)
        if seat is not None:
            seat.lingering[reader.name] = asyncio.get_running_loop().time() + LINGER_SECONDS
            seat.changed.set()

    def forget(self, reader: Reader) -> None:
        """Note that a reader that polled will not ask again."""
        seat = self._seats.get(reader.key)
        if seat is not None and seat.lingering.pop(reader.name, None) is not None:
            seat.gone_at = max(seat.gone_at, asyncio.get_running_loop().time())
            seat.changed.set()

    def statistics(self) -> dict[str, int]:
        """Tell how many runs are watched for somebody who wants to know whether they are read."""
        return {"watched": len(self._seats)}

    def open(self) -> None:
        """Begin to tell; idempotent."""
        self._closed = False

    async def close(self) -> None:
        """Tell the last, that readers are on their way elsewhere, and nothing any more; idempotent."""
        self._closed = True
        told = {key: seat for key, seat in self._seats.items() if seat.told}
        tasks = [seat.task for seat in self._seats.values() if seat.task is not None]
        self._seats.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for key in told:
            with suppress(RiverrunError):  # then what was told before ends by itself
                await (await self._service()).attended(key, self.server, LINGER_SECONDS)

    def _seat(self, key: RunKey) -> _Seat | None:
        seat = self._seats.get(key)
        if seat is None and not self._closed and self._graces.get(key, 0.0) is not None:
            seat = self._seats[key] = _Seat()
            seat.gone_at = asyncio.get_running_loop().time()
            # Not a TaskGroup: one run whose inbox fails must not end the others. `close` waits for all of them.
            seat.task = asyncio.create_task(self._attend(key, seat), name=f"riverrun-presence-{key.run}")
            seat.task.add_done_callback(lambda _: self._remove(key, seat))
        return seat

    def _remove(self, key: RunKey, seat: _Seat) -> None:
        if self._seats.get(key) is seat:
            del self._seats[key]

    async def _attend(self, key: RunKey, seat: _Seat) -> None:
        try:
            service = await self._service()
            grace = await self._grace(service, key)
            if grace is not None:
                await self._watch(service, key, seat, grace)
        except (NotFound, InputError):
            pass  # it has ended, or is gone
        except RiverrunError as error:
            _log.warning("nobody learns who reads run %s: %s", key.run, error)

    async def _watch(self, service: RunService, key: RunKey, seat: _Seat, grace: float) -> None:
        """Tell that somebody is here, again and again, and in the end that nobody is."""
        now = asyncio.get_running_loop().time
        tell_at = now()
        while True:
            seat.changed.clear()
            until = seat.until(now())
            if until is None or until > now():
                if now() >= tell_at:
                    await self._tell(service, key, MARK_SECONDS)
                    seat.told, tell_at = True, now() + _TELL_AGAIN
                due = tell_at if until is None else min(tell_at, until)
            else:
                due = until + grace
                if now() < due and (await service.row(key)).status == "ended":
                    return
                if now() >= due:
                    # When that was: the owner counts the grace from there, not from now.
                    await self._tell(service, key, until - now())
                    seat.told = False
                    if seat.until(now()) == until:
                        self._remove(key, seat)  # now: who comes next must find no seat whose task is over
                        return
                    tell_at = now()
                    continue
            await _wait(seat.changed, min(due - now(), _TELL_AGAIN))

    async def _tell(self, service: RunService, key: RunKey, seconds: float) -> None:
        while True:
            try:
                await service.attended(key, self.server, seconds)
            except RiverrunError as error:
                if not error.code.startswith("E4"):
                    raise
                _log.warning("the owner of run %s cannot be told who reads it: %s", key.run, error)
            else:
                return
            await asyncio.sleep(_TRY_AGAIN)

    async def _grace(self, service: RunService, key: RunKey) -> float | None:
        """Give the policy of a run, which stands in its first event."""
        try:
            records = (await service.store.read(key, 0, 1)).records
        except CursorError:
            records = []  # retention has trimmed it: then it has ended
        first = records[0].event if records else None
        grace = first.grace if isinstance(first, RunStarted) else None
        self._graces[key] = grace
        self._graces.move_to_end(key)
        if len(self._graces) > _KNOWN_LIMIT:
            self._graces.popitem(last=False)
        return grace


async def _wait(changed: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await changed.wait()
    except TimeoutError:
        pass
