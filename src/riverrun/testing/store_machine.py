"""Random histories of one store beside the model: whatever the order of the verbs, the two never differ."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from riverrun.log.store import Held, RunFilter, RunKey, RunRow
from riverrun.testing.store_model import ModelRun
from riverrun.testing.store_writing import (
    GRAPHS,
    LEASE,
    TENANTS,
    WORKERS,
    MakeStore,
    Reopen,
    WritingMachine,
    idem_keys,
    runs,
)

shifts = st.sampled_from([0, 0, 0, -1, 1])


class StoreMachine(WritingMachine):
    """The laws L1 to L7 and L9 to L15 as rules; made by `store_machine`, which says which store."""

    # --- claim, renew, time ---

    @rule(
        worker=st.sampled_from(WORKERS),
        graphs=st.frozensets(st.sampled_from(GRAPHS)),
        limit=st.integers(min_value=0, max_value=3),
    )
    def claim(self, worker: str, graphs: frozenset[str], limit: int) -> None:
        """Take the oldest that nobody holds, each under a new epoch (L5), of a thread one after another (L13).

        A change of owner stands in the log (L4), but not where the former owner gave the run up (L12).
        """
        now_ms = self.clock.now_ms()
        free = [
            run
            for place, run in enumerate(self.model)
            if run.claimable(now_ms, self.model[:place]) and run.started.graph in graphs
        ][:limit]
        rows = self.do(self.store.claim(worker, graphs=graphs, limit=limit, lease_seconds=LEASE))
        assert [run.key for run in free] == [row.key for row in rows]
        for run, row in zip(free, rows, strict=True):
            was_running = run.status == "running"
            run.own(worker, now_ms + int(LEASE * 1000))
            if was_running:
                self._taken_over(run, worker)
            self.look(run, 0, 1000)
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
        self.look(run, math.floor(share * run.head), limit)

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
        names=st.fixed_dictionaries(
            {},
            optional={
                "graph": st.sampled_from([*GRAPHS, "g' OR '1'='1"]),
                "thread": st.sampled_from(["t", 'it\'s "t" -- ', 't" OR 1=1']),
                "status": st.sampled_from(["queued", "running", "parked", "ended"]),
            },
        ),
        limit=st.integers(min_value=0, max_value=4),
        before=st.one_of(st.none(), runs),
        exact=st.one_of(st.none(), st.none(), runs),
        times=st.tuples(*[st.sampled_from([None, None, 0, 1, 1000, 40_000])] * 2),
    )
    def list_runs(
        self,
        tenant: str,
        names: dict[str, Any],
        limit: int,
        before: int | None,
        exact: int | None,
        times: tuple[int | None, int | None],
    ) -> None:
        """Give a tenant's own, newest first, those that fit (L10)."""
        now_ms = self.clock.now_ms()
        after_ms, before_ms = (None if age is None else now_ms - age for age in times)
        below = None if before is None else f"{before:032x}"
        only = None if exact is None else f"{exact:032x}"
        choice = RunFilter(
            run=only, limit=limit, before=below, created_after_ms=after_ms, created_before_ms=before_ms, **names
        )
        rows: list[RunRow] = self.do(self.store.list(tenant, choice))
        fitting = [
            run
            for run in reversed(self.model)
            if run.key.tenant == tenant
            and names.items()
            <= {"graph": run.started.graph, "thread": run.started.thread, "status": run.status}.items()
            and only in (None, run.key.run)
            and (below is None or run.key.run < below)
            and (after_ms is None or run.created_ms >= after_ms)
            and (before_ms is None or run.created_ms < before_ms)
        ]
        assert [run.key for run in fitting[:limit]] == [row.key for row in rows]
        assert all(run.agrees(row) for run, row in zip(fitting, rows, strict=False)), rows

    # --- control, sweep, compact, restart ---

    @precondition(lambda self: self.model)
    @rule(
        index=runs,
        idem_key=idem_keys,
        reason=st.text(max_size=3),
        kind=st.sampled_from(["stop", "resume", "resume", "?"]),
    )
    def control(self, index: int, idem_key: str | None, reason: str, kind: str) -> None:
        """Kept once per key, in order, until the run has ended (L9); a parked run can be claimed from now on (L12)."""
        run = self.pick(index)
        verb = self.store.control(run.key, kind, {"reason": reason}, idem_key)
        if run.status == "ended" and idem_key not in run.control_keys:
            self.refused("E2009", verb)
        else:
            assert run.control(kind, {"reason": reason}, idem_key) == self.do(verb)
        self.look(run, run.head, 1)

    @rule(age=st.sampled_from([0.0, 1.0, LEASE]))
    def sweep(self, age: float) -> None:
        """Remove what ended before and nothing stands on, and nothing else (L14)."""
        before_ms = self.clock.now_ms() - int(age * 1000)
        old = self._removable(before_ms)
        assert len(old) == self.do(self.store.sweep(before_ms))
        self.model = [run for run in self.model if run not in old]
        self.keys = {name: run for name, run in self.keys.items() if run not in old}
        for run in old:
            self.refused("E2005", self.store.read(run.key, 0, 1))

    def _removable(self, before_ms: int) -> list[ModelRun]:
        old = [run for run in self.model if run.status == "ended" and run.ended_ms < before_ms]
        while True:
            bases = {(run.key.tenant, run.base_run) for run in self.model if run not in old}
            kept = [run for run in old if tuple(run.key) in bases]
            if not kept:
                return old
            old = [run for run in old if run not in kept]

    @rule(age=st.sampled_from([0.0, 1.0, LEASE]))
    def compact(self, age: float) -> None:
        """Change nothing that is read, and go through each run that ended once (L3, L15)."""
        before_ms = self.clock.now_ms() - int(age * 1000)
        old = [run for run in self.model if run.status == "ended" and run.ended_ms < before_ms]
        assert sum(not run.compacted for run in old) == self.do(self.store.compact(before_ms))
        for run in old:
            run.compacted = True
            self.look(run, 0, 1000)

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
