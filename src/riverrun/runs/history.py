"""What a run was like at any of its events: its log folded, on the state that it began from.

A run of a thread begins with the state that another one left, so a fold may have to go back through several logs. Ended
runs are folded once: what they left is kept for the next ones.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from riverrun.base.errors import NotFound
from riverrun.events.ending import Ending
from riverrun.events.kinds import Base, Event, RunStarted
from riverrun.graph.machine import Machine
from riverrun.graph.plan import Plan
from riverrun.graph.replay import replay
from riverrun.graph.state import State
from riverrun.log.log import ending_of
from riverrun.log.store import LogStore, RunKey

_PAGE = 10_000
_KEPT = 1000


class History:
    """Fold logs of one store.

    Args:
        store: Where they live.
    """

    def __init__(self, store: LogStore) -> None:
        self._store = store
        self._left: OrderedDict[tuple[str, RunKey, int | None], State] = OrderedDict()

    async def base(self, plan: Plan, tenant: str, started: RunStarted) -> State | None:
        """Give the state that a run begins from.

        Args:
            plan: Its graph.
            tenant: Whose run it is.
            started: Its first event.

        Returns:
            The state, or None for a run that begins from nothing.

        Raises:
            NotFound: E2005, the run that it begins from is gone.
            NodeError: E3009, a log was not written by this graph.
            StoreError: E4002, the store cannot be read.
        """
        todo: list[tuple[RunKey, Base, list[Event]]] = []
        base, state = started.base, None
        while base is not None:
            key = RunKey(tenant, base.run)
            state = self._left.get((plan.name, key, base.seq))
            if state is not None:
                self._left.move_to_end((plan.name, key, base.seq))
                break
            events = await read_log(self._store, key)
            if not events or not isinstance(events[0], RunStarted):
                raise NotFound("E2005", f"the run {base.run!r}, which another one begins from, is gone")
            todo.append((key, base, events))
            base = events[0].base
        for key, place, events in reversed(todo):
            state = replay(plan, key.run, events, place.seq, state).values()
            self.keep(plan, key, place.seq, state, ended=events[-1].terminal)
        return state

    def keep(self, plan: Plan, key: RunKey, seq: int | None, state: State, *, ended: bool) -> None:
        """Keep what a run left, for those that begin from it.

        Args:
            plan: The graph that it was folded by.
            key: Which run.
            seq: At which event; None: as it ended.
            state: What it left.
            ended: Whether nothing can follow.
        """
        if ended or seq is not None:
            self._left[plan.name, key, seq] = state
            while len(self._left) > _KEPT:
                self._left.popitem(last=False)

    async def at(self, plan: Plan, key: RunKey, seq: int | None = None) -> Machine:
        """Give the machine of a run as it was at an event.

        Args:
            plan: The graph.
            key: Which run.
            seq: At which event; None: at the last.

        Returns:
            A machine; only looked at, never gone on with.

        Raises:
            NotFound: E2005, there is no such run, or one that it begins from is gone.
            NodeError: E3009, a log was not written by this graph.
            StoreError: E4002, the store cannot be read.
        """
        events = await read_log(self._store, key)
        started = first_of(events)
        cut_off = ending_of(events[-1]) in (Ending.STOPPED, Ending.TIMED_OUT)
        # When a run was stopped stands in no event but the last.
        part = events if cut_off or seq is None else events[:seq]
        return replay(plan, key.run, part, seq, await self.base(plan, key.tenant, started))


def first_of(events: Sequence[Event]) -> RunStarted:
    """Give the first event of a log.

    Args:
        events: The log, from its beginning.

    Returns:
        What the run was started with.
    """
    started = events[0]
    if not isinstance(started, RunStarted):
        raise AssertionError("a log begins with run.started")  # noqa: TRY004  # no argument is wrong: a law is broken
    return started


async def read_log(store: LogStore, key: RunKey, upto: int | None = None) -> list[Event]:
    """Read a log up to a seq.

    Args:
        store: Where it lives.
        key: Which run.
        upto: The last seq to read; None: all there is.

    Returns:
        The events, from the first.

    Raises:
        NotFound: E2005.
        CursorError: E4007, its beginning was removed.
        StoreError: E4002, the store cannot be read.
    """
    events: list[Event] = []
    while upto is None or len(events) < upto:
        page = await store.read(key, len(events), _PAGE if upto is None else min(_PAGE, upto - len(events)))
        events.extend(record.event for record in page.records)
        if not page.records or len(events) >= page.head:
            break
    return events
