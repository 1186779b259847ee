"""Random histories of one store beside the model: whatever the order of the verbs, the two never differ."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from riverrun.base.clock import Clock, ManualClock
from riverrun.base.errors import RiverrunError
from riverrun.events.kinds import Event, RunStarted
from riverrun.log.log import settle
from riverrun.log.store import Held, LogStore, RunFilter, RunKey, RunRow
from riverrun.testing.store_model import ModelRun, make_events

T = TypeVar("T")
MakeStore = Callable[[Clock], LogStore]
Reopen = Callable[[LogStore, Clock], LogStore]

TENANTS = ("acme", "zoo")
GRAPHS = ("g", "h")
WORKERS = ("w-1", "w-2")
LEASE = 30.0

runs = st.integers(min_value=0, max_value=7)
going = ["chunk", "chunk", "odd", "interrupted", "resumed"]
idem_keys = st.sampled_from([None, "k1", "k2"])
shifts = st.sampled_from([0, 0, 0, -1, 1])

# What can be wrong with an append: epoch, expected head and first seq, each beside the right one, and the kinds.
WRONG: dict[str, tuple[int, int, int, list[str]]] = {
    "of an old owner": (-1, 0, 0, ["chunk"]),
    "of an owner to come": (1, 0, 0, ["chunk"]),
    "sent again": (0, -1, -1, ["chunk"]),
    "too early": (0, 1, 1, ["chunk"]),
    "at the right place by mistake": (0, -1, 0, ["chunk"]),
    "at the right place by chance": (0, 1, 0, ["chunk"]),
    "overlapping": (0, 0, -1, ["chunk", "chunk"]),
    "with a hole": (0, 0, 1, ["chunk"]),
    "with two ends": (0, 0, 0, ["completed", "stopped"]),
    "with an end in the middle": (0, 0, 0, ["chunk", "completed", "chunk"]),
    "of nothing": (0, 0, 0, []),
}


class StoreMachine(RuleBasedStateMachine):
    """The laws L1 to L7 and L9 to L11 as rules; made by `store_machine`, which says which store."""

    make_store: MakeStore
    reopen: Reopen | None = None

    @initialize()
    def begin(self) -> None:
        """Make an empty store."""
        self.clock = ManualClock()
        self.runner = asyncio.Runner()
        self.store = type(self).make_store(self.clock)
        self.model: list[ModelRun] = []
        self.keys: dict[tuple[str, str], ModelRun] = {}
        self.made = 0
        self.verbs = 0

    def teardown(self) -> None:
        """Close it, twice: the second time does nothing."""
        if hasattr(self, "runner"):
            self.do(self.store.close())
            self.do(self.store.close())
            self.runner.close()

    def do(self, verb: Coroutine[Any, Any, T]) -> T:
        """Run a verb to its end."""
        self.verbs += 1
        return self.runner.run(verb)

    def refused(self, code: str, verb: Coroutine[Any, Any, object]) -> None:
        """Expect an error of that code and of no other."""
        try:
            given: object = self.do(verb)
        except RiverrunError as error:
            given = error
        assert getattr(given, "code", "") == code, f"expected {code}, got {given!r}"

    def pick(self, index: int) -> ModelRun:
        """Choose one of the runs that exist."""
        return self.model[index % len(self.model)]

    # --- create ---

    @rule(
        tenant=st.sampled_from(TENANTS),
        graph=st.sampled_from(GRAPHS),
        idem_key=idem_keys,
        worker=st.sampled_from([None, *WORKERS]),
        value=st.sampled_from([1, 2]),
    )
    def create(self, tenant: str, graph: str, idem_key: str | None, worker: str | None, value: int) -> None:
        """Make one run per key and tenant; with a worker it is claimed from the start."""
        self.made += 1
        now_ms = self.clock.now_ms()
        started = RunStarted(
            seq=1, ts=now_ms, run=f"{self.made:032x}", graph=graph, log=f"{self.made:08x}", input={"x": value}
        )
        verb = self.store.create(tenant, started, idem_key=idem_key, worker=worker, lease_seconds=LEASE)
        first = self.keys.get((tenant, idem_key or ""))
        if first is not None and (first.started.graph, first.started.input) != (graph, started.input):
            self.refused("E2013", verb)
            return
        row, fresh = self.do(verb)
        assert fresh is (first is None)
        if first is None:
            first = ModelRun(RunKey(tenant, started.run), started, now_ms)
            self.model.append(first)
            if idem_key is not None:
                self.keys[tenant, idem_key] = first
            if worker is not None:
                first.own(worker, now_ms + int(LEASE * 1000))
        assert first.agrees(row), row

    @precondition(lambda self: self.model)
    @rule(index=runs)
    def create_again(self, index: int) -> None:
        """Repeat with the same run id, as after an unknown outcome: nothing is made."""
        run = self.pick(index)
        row, fresh = self.do(self.store.create(run.key.tenant, run.started, worker="w-9", lease_seconds=LEASE))
        assert not fresh
        assert run.agrees(row), row

    # --- append ---

    @precondition(lambda self: self.model)
    @rule(
        index=runs,
        batches=st.lists(st.lists(st.sampled_from(going), min_size=1, max_size=4), min_size=1, max_size=3),
        end=st.sampled_from([None, None, None, "completed", "stopped"]),
        at_once=st.booleans(),
    )
    def append(self, index: int, batches: list[list[str]], end: str | None, *, at_once: bool) -> None:
        """Append as the owner, at the head (L1); the same once more is found out (L7)."""
        run = self.pick(index)
        for kinds in [*batches, *([[end]] if end else [])]:
            head, events = run.head, make_events(run.key.run, run.head + 1, kinds)
            self._append(run, run.epoch, head, events, at_once=at_once)
            self._append(run, run.epoch, head, events, at_once=at_once)
            if run.status != "ended" or run.head > head:
                page = self.do(self.store.read(run.key, run.head, 1))
                assert settle(page, run.epoch, head, run.head - head) is (run.head > head)

    @precondition(lambda self: self.model)
    @rule(index=runs, wrong=st.sampled_from(sorted(WRONG)), at_once=st.booleans())
    def append_wrongly(self, index: int, wrong: str, *, at_once: bool) -> None:
        """Refuse what is not the owner's, not at the head, or after the end; all or nothing (L5, L6)."""
        run = self.pick(index)
        epoch, head, seq, kinds = WRONG[wrong]
        events = make_events(run.key.run, run.head + 1 + seq, kinds)
        assert run.allows(run.epoch + epoch, run.head + head, events)
        self._append(run, run.epoch + epoch, run.head + head, events, at_once=at_once)

    def _append(self, run: ModelRun, epoch: int, head: int, events: list[Event], *, at_once: bool) -> None:
        code = run.allows(epoch, head, events)
        append_now = getattr(self.store, "append_now", None) if at_once else None
        if append_now is None:
            verb = self.store.append(run.key, epoch, head, events, LEASE)
        else:
            verb = _at_once(append_now, run.key, epoch, head, events)
        if code:
            self.refused(code, verb)
        else:
            new_head = self.do(verb)
            run.take(events, self.clock.now_ms())
            assert new_head == run.head
            if append_now is None:
                run.lease_until_ms = self.clock.now_ms() + int(LEASE * 1000)
        self._look(run, max(0, run.head - 5), 100)

    def _look(self, run: ModelRun, after: int, limit: int) -> None:
        page = self.do(self.store.read(run.key, after, limit))
        assert [record.data for record in page.records] == run.lines[after : after + limit]
        assert [record.seq for record in page.records] == list(range(after + 1, after + 1 + len(page.records)))
        assert [record.event.seq for record in page.records] == [record.seq for record in page.records]
        told = (page.head, page.epoch, page.status, page.log, page.floor)
        assert told == (run.head, run.epoch, run.status, run.log, 0)

    @precondition(lambda self: self.model)
    @rule(index=runs, writers=st.integers(min_value=2, max_value=4))
    def race(self, index: int, writers: int) -> None:
        """Let several writers believe that they own the head: exactly one succeeds."""
        run = self.pick(index)
        events = make_events(run.key.run, run.head + 1, ["chunk"])
        code = run.allows(run.epoch, run.head, events)

        async def all_at_once() -> list[Any]:
            appends = [self.store.append(run.key, run.epoch, run.head, events, LEASE) for _ in range(writers)]
            return await asyncio.gather(*appends, return_exceptions=True)

        outcomes = self.do(all_at_once())
        good = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        assert len(good) == (0 if code else 1), outcomes
        assert {code or "E4005"} == {bad.code for bad in outcomes if isinstance(bad, RiverrunError)}, outcomes
        if good:
            run.take(events, self.clock.now_ms())
            run.lease_until_ms = self.clock.now_ms() + int(LEASE * 1000)

    # --- claim, renew, time ---

    @rule(
        worker=st.sampled_from(WORKERS),
        graphs=st.frozensets(st.sampled_from(GRAPHS)),
        limit=st.integers(min_value=0, max_value=3),
    )
    def claim(self, worker: str, graphs: frozenset[str], limit: int) -> None:
        """Take the oldest that nobody holds, each under a new epoch; a change of owner stands in the log (L4, L5)."""
        now_ms = self.clock.now_ms()
        free = [run for run in self.model if run.claimable(now_ms) and run.started.graph in graphs][:limit]
        rows = self.do(self.store.claim(worker, graphs=graphs, limit=limit, lease_seconds=LEASE))
        assert [run.key for run in free] == [row.key for row in rows]
        for run, row in zip(free, rows, strict=True):
            run.own(worker, now_ms + int(LEASE * 1000))
            if run.epoch > 1:
                self._taken_over(run, worker)
            self._look(run, 0, 1000)
            assert run.agrees(row), row

    def _taken_over(self, run: ModelRun, worker: str) -> None:
        page = self.do(self.store.read(run.key, run.head, 1))
        event = page.records[0].event
        assert (event.type, event.seq, event.ts, event.run) == (
            "run.taken_over",
            run.head + 1,
            self.clock.now_ms(),
            run.key.run,
        )
        assert (run.epoch, worker) == (getattr(event, "epoch", None), getattr(event, "worker", None))
        run.take([event], self.clock.now_ms())

    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        """Lose what is not owned; bring what was asked, in order and once (L5, L9)."""
        held = [
            Held(run.key, run.epoch + data.draw(shifts), data.draw(st.integers(0, len(run.controls))))
            for run in self.model
            if data.draw(st.booleans())
        ]
        gone = RunKey("acme", "f" * 32)
        renewal = self.store.renew("w-1", [*held, Held(gone, 1, 0)], LEASE)
        by_key = {run.key: run for run in self.model}
        mine = [(by_key[key], seen) for key, epoch, seen in held if by_key[key].epoch == epoch]
        assert {gone, *(key for key, epoch, _ in held if by_key[key].epoch != epoch)} == set(renewal.lost)
        assert {run.key: run.controls[seen:] for run, seen in mine if len(run.controls) > seen} == renewal.controls
        for run, _ in mine:
            if run.status != "ended":
                run.lease_until_ms = self.clock.now_ms() + int(LEASE * 1000)

    @rule(seconds=st.sampled_from([0.001, 1.0, LEASE, 2 * LEASE]))
    def pass_time(self, seconds: float) -> None:
        """Let time go by."""
        self.clock.advance(seconds)

    # --- reading ---

    @precondition(lambda self: self.model)
    @rule(index=runs, share=st.floats(min_value=0, max_value=1), limit=st.sampled_from([0, 1, 2, 7, 1000]))
    def read(self, index: int, share: float, limit: int) -> None:
        """Give what was committed, all of it, always the same (L1 to L3), with head, epoch and status of one moment."""
        run = self.pick(index)
        self._look(run, math.floor(share * run.head), limit)

    @precondition(lambda self: self.model)
    @rule(index=runs, beyond=st.sampled_from([1, 2, 10_000]))
    def read_elsewhere(self, index: int, beyond: int) -> None:
        """Refuse a place that is not there, and another tenant's run (L10, L11)."""
        run = self.pick(index)
        other = RunKey(TENANTS[run.key.tenant == TENANTS[0]], run.key.run)
        self.refused("E2006", self.store.read(run.key, run.head + beyond, 10))
        self.refused("E2007", self.store.read(run.key, -beyond, 10))
        self.refused("E2005", self.store.read(other, 0, 10))
        self.refused("E2005", self.store.append(other, run.epoch, run.head, [], LEASE))
        self.refused("E2005", self.store.control(other, "stop", {}))

    @rule(
        tenant=st.sampled_from(TENANTS),
        graph=st.sampled_from([None, *GRAPHS, "g' OR '1'='1"]),
        status=st.sampled_from([None, "queued", "running", "parked", "ended"]),
        limit=st.integers(min_value=0, max_value=4),
        before=st.one_of(st.none(), runs),
        exact=st.one_of(st.none(), runs),
    )
    def list_runs(
        self, tenant: str, graph: str | None, status: Any, limit: int, before: int | None, exact: int | None
    ) -> None:
        """Give a tenant's own, newest first, those that fit (L10)."""
        below = None if before is None else f"{before:032x}"
        only = None if exact is None else f"{exact:032x}"
        choice = RunFilter(run=only, graph=graph, status=status, limit=limit, before=below)
        rows: list[RunRow] = self.do(self.store.list(tenant, choice))
        fitting = [
            run
            for run in reversed(self.model)
            if run.key.tenant == tenant
            and graph in (None, run.started.graph)
            and status in (None, run.status)
            and only in (None, run.key.run)
            and (below is None or run.key.run < below)
        ]
        assert [run.key for run in fitting[:limit]] == [row.key for row in rows]
        assert all(run.agrees(row) for run, row in zip(fitting, rows, strict=False)), rows

    # --- control, sweep, restart ---

    @precondition(lambda self: self.model)
    @rule(index=runs, idem_key=idem_keys, reason=st.text(max_size=3))
    def control(self, index: int, idem_key: str | None, reason: str) -> None:
        """Kept once per key, in order, until the run has ended (L9)."""
        run = self.pick(index)
        verb = self.store.control(run.key, "stop", {"reason": reason}, idem_key)
        if run.status == "ended" and idem_key not in run.control_keys:
            self.refused("E2009", verb)
        else:
            assert run.control("stop", {"reason": reason}, idem_key) == self.do(verb)

    @rule(age=st.sampled_from([0.0, 1.0, LEASE]))
    def sweep(self, age: float) -> None:
        """Remove what ended before, and nothing else."""
        before_ms = self.clock.now_ms() - int(age * 1000)
        old = [run for run in self.model if run.status == "ended" and run.ended_ms < before_ms]
        assert len(old) == self.do(self.store.sweep(before_ms))
        self.model = [run for run in self.model if run not in old]
        self.keys = {name: run for name, run in self.keys.items() if run not in old}
        for run in old:
            self.refused("E2005", self.store.read(run.key, 0, 1))

    # Opening is the dearest step by far, so there must be something that could get lost.
    @precondition(lambda self: self.reopen is not None and self.verbs > 20)
    @rule()
    def restart(self) -> None:
        """Open the store anew: what was acknowledged is there."""
        self.do(self.store.close())
        reopen = type(self).reopen
        assert reopen is not None
        self.verbs = 0
        self.store = reopen(self.store, self.clock)


async def _at_once(append_now: Callable[..., int], *values: object) -> int:
    return append_now(*values)


def store_machine(make_store: MakeStore, reopen: Reopen | None) -> type[StoreMachine]:
    """Bind the machine to a store.

    Args:
        make_store: Gives an empty store.
        reopen: Opens anew what a closed store held; None when nothing survives.

    Returns:
        The class, for `run_state_machine_as_test`.
    """
    bound: dict[str, Any] = {
        "make_store": staticmethod(make_store),
        "reopen": None if reopen is None else staticmethod(reopen),
    }
    return type("BoundStoreMachine", (StoreMachine,), bound)
