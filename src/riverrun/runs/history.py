"""What a run was like at any of its events: its log folded, on the state that it began from.

A run of a thread begins with the state that another one left, so a fold may have to go back through several logs. Ended
runs are folded once: what they left is kept for the next ones, and where that took long, in the store too.

Where there is a checkpoint a fold begins with it (`checkpoints`). One that does not fit the log is not begun with: the
log decides.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress

from riverrun.base.errors import NotFound, RiverrunError, StoreError
from riverrun.events.ending import Ending
from riverrun.events.kinds import Base, Event, RunStarted
from riverrun.graph.machine import Machine
from riverrun.graph.plan import Plan
from riverrun.graph.replay import replay
from riverrun.graph.state import State
from riverrun.log.log import ending_of
from riverrun.log.store import LogStore, Page, RunKey
from riverrun.runs.checkpoints import Checkpoints

_PAGE = 10_000
_KEPT = 1000
_MANY_LOGS = 50  # reading so many takes as long as folding a long one
# What a machine that was made of damaged bytes may raise.
_BROKEN = (RiverrunError, AttributeError, LookupError, TypeError, ValueError, AssertionError, RecursionError)


_Folded = tuple[RunKey, Base, list[Event]]  # a run, where another begins from it, its log


class History:
    """Fold logs of one store.

    Args:
        store: Where they live.
        checkpoint_events: How many events there must be for a checkpoint to be made; 0: none are made or used.

    Attributes:
        checkpoints: Where folds may begin.
    """

    def __init__(self, store: LogStore, checkpoint_events: int = 0) -> None:
        self._store = store
        self._many = checkpoint_events
        self.checkpoints = Checkpoints(store, checkpoint_events)
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
        todo: list[_Folded] = []
        base, state = started.base, None
        nearest: Page | None = None
        while base is not None:
            key = RunKey(tenant, base.run)
            state = self._left.get((plan.name, key, base.seq))
            if state is not None:
                self._left.move_to_end((plan.name, key, base.seq))
                break
            if self._many:
                page = await self._store.read(key, 0, 0)
                nearest = nearest or page
                if page.status == "ended" and base.seq in (None, page.head):
                    state = await self.checkpoints.left(plan, key, page.log, page.head)
                    if state is not None:
                        break
            events = await read_log(self._store, key)
            if not events or not isinstance(events[0], RunStarted):
                raise NotFound("E2005", f"the run {base.run!r}, which another one begins from, is gone")
            todo.append((key, base, events))
            base = events[0].base
        for key, place, events in reversed(todo):
            state = replay(plan, key.run, events, place.seq, state).values()
            self.keep(plan, key, place.seq, state, ended=events[-1].terminal)
        if todo and nearest is not None and state is not None:
            await self._leave(plan, todo, nearest, state)
        return state

    async def _leave(self, plan: Plan, folded: list[_Folded], page: Page, state: State) -> None:
        """Keep what a run left in the store, if it took long to find out."""
        key, place, events = folded[0]
        long = len(folded) >= _MANY_LOGS or sum(len(log) for _, _, log in folded) >= self._many
        if long and events[-1].terminal and place.seq in (None, page.head) and page.head == len(events):
            with suppress(StoreError):  # the next one has to look again
                await self.checkpoints.leave(plan, key, page.epoch, page.head, state)

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
        if self._many and (seq is None or seq >= self._many):
            page = await self._store.read(key, 0, 0)
            begun = None if page.status == "ended" else await self.begun(plan, key, page, seq)
            if begun is not None:
                return begun
        events = await read_log(self._store, key)
        started = first_of(events)
        cut_off = ending_of(events[-1]) in (Ending.STOPPED, Ending.TIMED_OUT)
        # When a run was stopped stands in no event but the last.
        part = events if cut_off or seq is None else events[:seq]
        return replay(plan, key.run, part, seq, await self.base(plan, key.tenant, started))

    async def begun(self, plan: Plan, key: RunKey, page: Page, upto: int | None = None) -> Machine | None:
        """Give the machine of a run that has not ended, if there is a checkpoint that it can begin with.

        Args:
            plan: The graph.
            key: Which run.
            page: Any page of its log.
            upto: The last seq to fold; None: all there is.

        Returns:
            The machine, as a fold of the whole log gives it; None where that is needed.

        Raises:
            StoreError: E4002, the store cannot be read.
        """
        machine = await self.checkpoints.begin(plan, key, page.log, page.head if upto is None else upto)
        if machine is None:
            return None
        events = await read_log(self._store, key, upto, machine.seq)
        if events and events[-1].terminal:  # it has just ended
            return None
        try:
            return replay(plan, key.run, events, begun=machine)
        except _BROKEN as error:
            self.checkpoints.drop(key, error)
            return None


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


async def read_log(store: LogStore, key: RunKey, upto: int | None = None, after: int = 0) -> list[Event]:
    """Read a log up to a seq.

    Args:
        store: Where it lives.
        key: Which run.
        upto: The last seq to read; None: all there is.
        after: The seq before the first event to read.

    Returns:
        The events, in order.

    Raises:
        NotFound: E2005.
        CursorError: E4007, its beginning was removed.
        StoreError: E4002, the store cannot be read.
    """
    events: list[Event] = []
    place = after
    while upto is None or place < upto:
        page = await store.read(key, place, _PAGE if upto is None else min(_PAGE, upto - place))
        events.extend(record.event for record in page.records)
        place += len(page.records)
        if not page.records or place >= page.head:
            break
    return events
