"""When checkpoints are made of the runs of a worker, and how one is begun with again.

A run that has said enough since its last checkpoint gets another one, between two of its signals and beside its way:
nothing waits for it, and when it cannot be made or kept nothing is lost but time. The bytes are held here until the
events that they stand behind are committed; the store refuses them before that.

What a checkpoint may cost is bounded by what the run has written: one that takes n bytes is followed by the next when
the log has grown by n bytes or so, so that all of them together are never more than the log.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from types import ModuleType
from typing import NamedTuple, cast

from riverrun.base.errors import RiverrunError
from riverrun.graph.machine import Machine
from riverrun.graph.plan import Plan
from riverrun.graph.state import State
from riverrun.log.store import KeepsCheckpoints, Kept, LogStore, RunKey
from riverrun.runs.points import reach

_log = logging.getLogger("riverrun.runs")

_EVENT_BYTES = 100  # the least that an event takes as JSON, in round numbers
_MOST_BYTES = 16 * 1024 * 1024  # of a checkpoint: writing it holds up the other runs of the store


class Owned(NamedTuple):
    """A run that a worker drives."""

    key: RunKey
    epoch: int
    machine: Machine


class _Made:
    """What is known of the checkpoints of one run.

    Attributes:
        epoch: Under which it is driven.
        due: The seq from which on the next one is made.
        waiting: One that is not kept yet, because its events were not committed.
    """

    __slots__ = ("due", "epoch", "waiting")

    def __init__(self, epoch: int, due: int) -> None:
        self.epoch = epoch
        self.due = due
        self.waiting: tuple[int, bytes] | None = None


class Checkpoints:
    """Make, keep and find the checkpoints of one store. One that keeps none has none.

    Args:
        store: Where they are kept.
        every_events: How many events a run makes between two, at least; 0: none are made.

    Attributes:
        counts: How many were made, kept, and begun with; how many runs could have none; how many were of no use.
    """

    def __init__(self, store: LogStore, every_events: int) -> None:
        self._store = cast("KeepsCheckpoints", store) if hasattr(store, "keep") and every_events else None
        self._every = every_events
        self._made: dict[RunKey, _Made] = {}
        self.counts = {"made": 0, "kept": 0, "begun": 0, "impossible": 0, "useless": 0}

    async def look(self, owned: Iterable[Owned]) -> None:
        """Make a checkpoint of every run that is due, and keep what was made before.

        Args:
            owned: All runs that are driven now; others are forgotten.

        Raises:
            StoreError: E4002, the store cannot be written; nothing else is lost by that.
        """
        if self._store is None:
            return
        now = {one.key: one for one in owned}
        self._made = {key: made for key, made in self._made.items() if key in now and now[key].epoch == made.epoch}
        for key, one in now.items():
            made = self._made.get(key)
            if made is None:
                made = self._made[key] = _Made(one.epoch, self._every)
            if made.waiting is None and one.machine.seq >= made.due:
                self._make(one.machine, made)
            if made.waiting is not None:
                await self._keep(key, made, made.waiting)

    async def _keep(self, key: RunKey, made: _Made, waiting: tuple[int, bytes]) -> None:
        if self._store is None:
            return
        if reach:
            reach("checkpoint.before")
        if await self._store.keep(key, made.epoch, *waiting):
            if reach:
                reach("checkpoint.after")
            self.counts["kept"] += 1
            made.waiting = None

    def _make(self, machine: Machine, made: _Made) -> None:
        body = _forms().freeze(machine)
        if body is None:
            self.counts["impossible"] += 1
            made.due = machine.seq + max(self._every // 4, 1)  # what is in the way may be gone by then
            return
        self.counts["made"] += 1
        made.due = machine.seq + max(self._every, len(body) // _EVENT_BYTES)
        if len(body) <= _MOST_BYTES:
            made.waiting = (machine.seq, body)

    async def begin(self, plan: Plan, key: RunKey, log: str, upto: int) -> Machine | None:
        """Make a machine of the checkpoint of a run, if it is of any use.

        Args:
            plan: The graph.
            key: Which run.
            log: Id of its log.
            upto: The seq beyond which it must not stand.

        Returns:
            The machine; None when the log has to be folded from its first event.

        Raises:
            StoreError: E4002, the store cannot be read.
        """
        kept = await self._kept(key, log, upto)
        if kept is None:
            return None
        try:
            machine: Machine = _forms().thaw(plan, key.run, kept.body)
        except RiverrunError as error:
            self.drop(key, error)
            return None
        self.counts["begun"] += 1
        return machine

    def drop(self, key: RunKey, error: Exception) -> None:
        """Take note that a checkpoint is of no use: it does not fit the log, or the graph.

        Args:
            key: Of the run.
            error: Why.
        """
        self.counts["useless"] += 1
        _log.info("run %s is folded from its first event: %s", key.run, error)

    async def left(self, plan: Plan, key: RunKey, log: str, seq: int) -> State | None:
        """Give what a run left when it ended, if that was kept.

        Args:
            plan: The graph.
            key: Which run.
            log: Id of its log.
            seq: Of its last event.

        Returns:
            The state; None when the log has to be folded.

        Raises:
            StoreError: E4002, the store cannot be read.
        """
        kept = await self._kept(key, log, seq)
        if kept is None or kept.seq != seq:
            return None
        try:
            state: State = _forms().thaw_state(plan, key.run, kept.body)
        except RiverrunError as error:
            self.drop(key, error)
            return None
        self.counts["begun"] += 1
        return state

    async def leave(self, plan: Plan, key: RunKey, epoch: int, seq: int, state: State) -> None:
        """Keep what a run left when it ended.

        Args:
            plan: The graph.
            key: Which run.
            epoch: Of its last owner.
            seq: Of its last event.
            state: What its log folds to.

        Raises:
            StoreError: E4002, the store cannot be written.
        """
        body = None if self._store is None else _forms().freeze_state(plan, key.run, seq, state)
        if self._store is None or body is None or len(body) > _MOST_BYTES:
            return
        self.counts["made"] += 1
        self.counts["kept"] += await self._store.keep(key, epoch, seq, body)

    async def _kept(self, key: RunKey, log: str, upto: int) -> Kept | None:
        kept = None if self._store is None else await self._store.kept(key)
        return None if kept is None or kept.log != log or kept.seq > upto else kept


def _forms() -> ModuleType:
    """Give what makes and reads checkpoints: 4 ms of every `import riverrun`, and only long runs need it."""
    from riverrun.graph import checkpoint  # noqa: PLC0415

    return checkpoint
