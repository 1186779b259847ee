"""Sees when a node holds up its event loop, so that sync code in an async node is named and not just felt.

One thread per process for all loops, and only while runs go on: it pings each loop, and when no answer comes it looks
at the frames of the loop's thread. On the way of a run lie only `enter` and `leave`.

A node is named when it was seen for the limit without a turn of its loop in between: never one that took less, always
one that took one and a half times as long. Time for which the whole process stood still is nobody's, but time for which
the loop's own thread kept the interpreter from this one (a regular expression that runs away) is the node's.

It knows of the driver only the names of two of its functions, by which it finds in a stack which execution runs.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import Context as Variables
from types import FrameType
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from riverrun.base.clock import SystemClock
from riverrun.runs.context import running
from riverrun.runs.whose import OURS, of_whom

_log = logging.getLogger("riverrun.runs")

# Seconds until the first look; while the same loops have runs, each further look is twice as far, up to half the limit.
_FIRST_INTERVAL = 0.02


class Blocked(Struct, frozen=True, kw_only=True):
    """A node held up its event loop, and with it every run of that loop.

    Attributes:
        run: Id of the run.
        exec_id: Which execution.
        node: Name of the node.
        where: `file:line` of the innermost frame of the user's own code.
        seconds: For how long it was seen to.
    """

    run: str
    exec_id: str
    node: str
    where: str
    seconds: float


class Watch:
    """One run that is watched. Made by `Watchdog.enter`; all of it is for the thread of its loop.

    Args:
        run: Id of the run.
        report: Told of every blocking, once.

    Attributes:
        run: As given.
        beat: Where its loop is watched.
        blocked: What was seen and not yet reported.
    """

    __slots__ = ("_report", "beat", "blocked", "run", "seen_at")

    def __init__(self, run: str, report: Callable[[Blocked], None], beat: Beat) -> None:
        self.run = run
        self.beat = beat
        self.blocked: Blocked | None = None
        self.seen_at = 0.0  # monotonic, in seconds
        self._report = report

    def tell(self) -> None:
        """Report what was seen, if anything was; with the time until now."""
        blocked, self.blocked = self.blocked, None
        if blocked is not None:
            self._report(replace(blocked, seconds=blocked.seconds + _now() - self.seen_at))


class Beat:
    """One event loop on which runs go on.

    Args:
        loop: Which one; it runs in the thread that makes this.

    Attributes:
        loop: As given.
        watches: The runs.
        lasting: Whether runs have gone on without a pause since the last look.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.watches: set[Watch] = set()
        self._thread, self._native_id = threading.get_ident(), threading.get_native_id()
        self._pinged_at: float | None = None  # of the last ping, monotonic; None: never
        self._waiting = False  # for the answer
        self._sight: Sight | None = None
        self._seconds = 0.0  # for which that was seen, without an answer
        self._told = False
        self._used = _processor_time(self._native_id)  # at the last look, in seconds
        self.lasting = False

    def look(self, now: float, late: float, passed: float, limit: float) -> None:
        """See whether the loop is free, and who holds it if it is not. In the watchdog's thread.

        Args:
            now: Seconds on the monotonic clock.
            late: Seconds for which this look was held up.
            passed: Seconds since the last look without those.
            limit: Seconds for which a node may hold the loop.
        """
        used, self._used = self._used, _processor_time(self._native_id)
        # Held up by the loop's own thread, or by the machine? Only the first is the node's doing.
        kept = max(min(late, self._used - used), 0.0)
        due = self._pinged_at is None or now - self._pinged_at >= limit / 2
        self.lasting = True
        if not self.loop.is_running():  # it was left in the middle of a run, and answers nobody
            self._forget()
        elif self._waiting or kept >= limit:
            self._judge(passed, kept, limit)
            if not self._waiting:
                self._ping(now)  # the answer says that it is over
        elif due:
            self._sight, self._seconds, self._told = self._see(), 0.0, False
            self._ping(now)

    def _judge(self, passed: float, kept: float, limit: float) -> None:
        sight = self._see()
        if self._waiting and sight.same(self._sight):
            self._seconds += passed + kept
        else:
            self._seconds, self._told = kept, False
        self._sight = sight
        if self._seconds >= limit and not self._told:
            self._told = True
            self._announce(sight)

    def _announce(self, sight: Sight) -> None:
        if not sight.exec_id:
            what = "the event loop of %d runs has been held up for %.2f s at %s, outside any node"
            _log.warning(what, len(self.watches), self._seconds, sight.where)
            return
        blocked = Blocked(
            run=sight.run, exec_id=sight.exec_id, node=sight.node, where=sight.where, seconds=self._seconds
        )
        for watch in tuple(self.watches):
            if watch.run == sight.run:
                watch.seen_at = _now()
                watch.blocked = blocked
        _log.warning(
            "node %r (%s of run %s) has held up its event loop for %.2f s at %s; everything else on it waits. "
            "Write it as a plain function (def), which runs in a thread, or await asyncio.to_thread(...) there",
            *(blocked.node, blocked.exec_id, blocked.run, blocked.seconds, blocked.where),
        )

    def _see(self) -> Sight:
        frame = sys._current_frames().get(self._thread)  # noqa: SLF001  # the documented way to another thread's frames
        return Sight("", "", "somewhere") if frame is None else see(frame, self.loop)

    def _ping(self, now: float) -> None:
        self._pinged_at, self._waiting = now, True
        try:
            self.loop.call_soon_threadsafe(self._answer)
        except RuntimeError:  # closed since we looked
            self._forget()

    def _forget(self) -> None:
        self._waiting, self._sight, self._seconds, self._told = False, None, 0.0, False

    def _answer(self) -> None:
        """On the loop: it is free."""
        self._thread, self._native_id = threading.get_ident(), threading.get_native_id()
        self._forget()
        for watch in tuple(self.watches):
            watch.tell()


class Watchdog:
    """Watch the event loops of this process while runs go on there. For any thread.

    Args:
        limit: Seconds for which a node may hold its loop.
    """

    def __init__(self, limit: float = 0.5) -> None:
        self._limit = limit
        self._beats: dict[asyncio.AbstractEventLoop, Beat] = {}
        self._lock = threading.Lock()
        self._bell = threading.Event()
        self._thread: threading.Thread | None = None
        self._interval = 0.0  # of the look that comes next, in seconds

    def enter(self, loop: asyncio.AbstractEventLoop, run: str, report: Callable[[Blocked], None]) -> Watch:
        """Watch a run, until `leave`.

        Args:
            loop: Where it runs, in this thread.
            run: Its id, which `Driver.machine.run` says too.
            report: Called on the loop with every blocking by this run, once: when the loop is free again, or when the
                driver says `Watch.tell` because the node is done.

        Returns:
            What to hand to `leave`.
        """
        with self._lock:
            beat = self._beats.get(loop)
            if beat is None:
                beat = self._beats[loop] = Beat(loop)
            elif not beat.watches:
                beat.lasting = False
            watch = Watch(run, report, beat)
            beat.watches.add(watch)
            if self._thread is None or not self._thread.is_alive():  # it is not, in the child of a fork
                self._begin()
        return watch

    def leave(self, watch: Watch) -> None:
        """Watch a run no longer. Idempotent."""
        beat = watch.beat
        with self._lock:
            beat.watches.discard(watch)
        if not beat.watches and self._interval > _FIRST_INTERVAL:
            self._bell.set()  # so that no thread is left long after the last run

    def _begin(self) -> None:
        self._thread = threading.Thread(target=self._look_on, name="riverrun-watchdog", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # no more threads, or the interpreter shuts down: the run goes on unwatched
            _log.warning("no thread to watch the event loop: %s", error)

    def _look_on(self) -> None:
        """Look until a look finds no runs."""
        interval, last = _FIRST_INTERVAL, _now()
        while True:
            self._interval = interval
            self._bell.wait(interval)
            self._bell.clear()
            now = _now()
            with self._lock:
                beats = [beat for beat in self._beats.values() if beat.watches and not beat.loop.is_closed()]
                if not beats:
                    self._beats.clear()
                    self._thread = None
                    return
            late = max(now - last - interval, 0.0)
            interval = min(interval * 2, self._limit / 2) if all(beat.lasting for beat in beats) else _FIRST_INTERVAL
            for beat in beats:
                beat.look(now, late, now - last - late, self._limit)
            last = now


watchdog = Watchdog()  # of this process


# What is seen in a stack


class Sight(Struct, frozen=True):
    """Who holds a loop.

    Attributes:
        run: Id of the run; empty when it is no node.
        exec_id: The execution; empty when it is no node.
        where: `file:line`.
    """

    run: str
    exec_id: str
    where: str

    @property
    def node(self) -> str:
        """The name of the node, which its execution begins with."""
        return self.exec_id.rpartition("/")[2].rpartition(":")[0]

    def same(self, other: Sight | None) -> bool:
        """Say whether another look saw the same execution."""
        return other is not None and (self.run, self.exec_id) == (other.run, other.exec_id)


def see(frame: FrameType, loop: asyncio.AbstractEventLoop) -> Sight:
    """Walk a stack outwards to the execution that it belongs to.

    Args:
        frame: The innermost one.
        loop: The loop that runs there.

    Returns:
        What was found.
    """
    outer: FrameType | None = frame
    best, rank = frame, OURS
    while outer is not None:
        found = _mark(outer)
        if found is not None:
            return Sight(*found, f"{best.f_code.co_filename}:{best.f_lineno}")
        whose = of_whom(outer.f_code.co_filename)
        if whose < rank:
            best, rank = outer, whose
        outer = outer.f_back
    return Sight(*_by_task(loop), f"{best.f_code.co_filename}:{best.f_lineno}")


def _mark(frame: FrameType) -> tuple[str, str] | None:
    """Give run and execution if this is a frame that knows them."""
    place = (frame.f_globals.get("__name__"), frame.f_code.co_name)
    if place == ("riverrun.runs.driver", "_lane"):
        return _of_driver(frame.f_locals, "self")
    if place == ("riverrun.runs.perform", "_pump"):  # a stream beside others has a task of its own
        return _of_driver(frame.f_locals, "outlet")
    if place == ("asyncio.events", "_run"):  # of a task that a node made; uvloop has no such frame
        return _of_variables(getattr(frame.f_locals.get("self"), "_context", None))
    return None


def _of_driver(names: Mapping[str, Any], driver: str) -> tuple[str, str] | None:
    machine = getattr(names.get(driver), "machine", None)
    exec_id = names.get("exec_id")
    return None if machine is None or exec_id is None else (machine.run, exec_id)


def _of_variables(variables: Variables | None) -> tuple[str, str] | None:
    context = None if variables is None else variables.get(running)
    return None if context is None else (context.run, context.exec)


def _by_task(loop: asyncio.AbstractEventLoop) -> tuple[str, str]:
    ask = getattr(asyncio.current_task(loop), "get_context", None)  # Python 3.12
    return (None if ask is None else _of_variables(ask())) or ("", "")


_now = SystemClock().monotonic


def _processor_time(native_id: int) -> float:
    """Give the processor time that a thread has used, in seconds; 0 where the system does not say."""
    if sys.platform != "linux":
        return 0.0
    try:
        # The id that pthread_getcpuclockid makes; but that may crash when the thread has ended, and this says EINVAL.
        return time.clock_gettime((~native_id << 3) | 6)
    except OSError:
        return 0.0
