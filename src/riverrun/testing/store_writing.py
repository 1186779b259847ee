"""What random histories of a store are written with: runs are made, events appended, rightly and wrongly.

The other verbs, and how a machine is bound to a store, are in `store_machine`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from riverrun.base.clock import Clock, ManualClock
from riverrun.base.errors import RiverrunError
from riverrun.events.kinds import Base, Event, RunStarted
from riverrun.log.log import settle
from riverrun.log.store import LogStore, RunKey
from riverrun.testing.store_model import ModelRun, make_events

T = TypeVar("T")
MakeStore = Callable[[Clock], LogStore]
Reopen = Callable[[LogStore, Clock], LogStore]

TENANTS = ("acme", "zoo")
GRAPHS = ("g", "h")
WORKERS = ("w-1", "w-2")
LEASE = 30.0

runs = st.integers(min_value=0, max_value=7)
going = ["chunk", "chunk", "odd", "interrupted", "resumed", "asked", "cancelled", "called"]
# What a run may be born with: nothing, a hold, a copied log that was forked, one that goes on, one that has ended.
PREFIXES: tuple[list[str], ...] = (
    [],
    [],
    ["interrupted"],
    ["chunk", "odd", "forked"],
    ["asked", "chunk", "interrupted"],
    ["chunk", "called"],
    ["chunk", "odd", "completed"],
)
idem_keys = st.sampled_from([None, "k1", "k2"])

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


class WritingMachine(RuleBasedStateMachine):
    """Making runs and appending to them, as rules; made by `store_machine`, which says which store."""

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
        self._create(RunKey(tenant, self._next_run()), {"graph": graph, "input": {"x": value}}, idem_key, worker, [])

    @rule(
        tenant=st.sampled_from(TENANTS),
        worker=st.sampled_from([None, None, *WORKERS]),
        thread=st.sampled_from([None, "t", "t", 'it\'s "t" -- ']),
        base=st.one_of(st.none(), runs),
        kinds=st.sampled_from(PREFIXES),
        alone=st.booleans(),
        idem_key=idem_keys,
    )
    def create_from(
        self,
        tenant: str,
        worker: str | None,
        thread: str | None,
        base: int | None,
        kinds: list[str],
        idem_key: str | None,
        *,
        alone: bool,
    ) -> None:
        """Make a run of a thread, on another run, with a log of its own, alone in its thread or not: all or nothing."""
        fields: dict[str, Any] = {"graph": "g", "input": {"x": 1}, "thread": thread}
        if base is not None and self.model:
            fields["base"] = Base(self.pick(base).key.run)
        self._create(RunKey(tenant, self._next_run()), fields, idem_key, worker, kinds, alone=alone)

    def _next_run(self) -> str:
        self.made += 1
        return f"{self.made:032x}"

    def _create(
        self,
        key: RunKey,
        fields: dict[str, Any],
        idem_key: str | None,
        worker: str | None,
        kinds: list[str],
        *,
        alone: bool = False,
    ) -> None:
        now_ms = self.clock.now_ms()
        started = RunStarted(seq=1, ts=now_ms, run=key.run, log=f"{self.made:08x}", **fields)
        prefix = make_events(key.run, 2, kinds)
        verb = self.store.create(
            key.tenant,
            started,
            idem_key=idem_key,
            worker=worker,
            lease_seconds=LEASE,
            prefix=prefix,
            one_per_thread=alone,
        )
        first = self.keys.get((key.tenant, idem_key or ""))
        made = ModelRun(key, started, now_ms, prefix)
        if first is not None and (first.started.graph, first.started.input) != (started.graph, started.input):
            self.refused("E2013", verb)
        elif first is None and alone and any(run.shares_thread(made) and run.status != "ended" for run in self.model):
            self.refused("E3018", verb)
            self.refused("E2005", self.store.read(key, 0, 1))
        else:
            row, fresh = self.do(verb)
            assert fresh is (first is None)
            if first is None:
                first = made
                self._take_in(made, idem_key, worker)
            assert first.agrees(row), row
            self.look(first, 0, 1000)

    def _take_in(self, made: ModelRun, idem_key: str | None, worker: str | None) -> None:
        self.model.append(made)
        if idem_key is not None:
            self.keys[made.key.tenant, idem_key] = made
        if worker is not None:
            made.own(worker, self.clock.now_ms() + int(LEASE * 1000))

    @rule(tenant=st.sampled_from(TENANTS), shift=st.sampled_from([-1, 1]), kinds=st.sampled_from(PREFIXES[2:]))
    def create_wrongly(self, tenant: str, shift: int, kinds: list[str]) -> None:
        """Refuse a log with a hole, an overlap, or something behind its end; nothing is left of it (L1, L6)."""
        run = self._next_run()
        started = RunStarted(seq=1, ts=1, run=run, graph="g", log=f"{self.made:08x}")
        for prefix in (make_events(run, 2 + shift, kinds), make_events(run, 2, ["completed", *kinds])):
            self.refused("E4005", self.store.create(tenant, started, prefix=prefix))
        self.refused("E2005", self.store.read(RunKey(tenant, run), 0, 1))

    @precondition(lambda self: self.model)
    @rule(index=runs)
    def create_again(self, index: int) -> None:
        """Repeat with the same run id, as after an unknown outcome: nothing is made."""
        run = self.pick(index)
        verb = self.store.create(run.key.tenant, run.started, worker="w-9", lease_seconds=LEASE, one_per_thread=True)
        row, fresh = self.do(verb)
        assert not fresh
        assert run.agrees(row), row

    # --- append ---

    @precondition(lambda self: self.model)
    @rule(
        index=runs,
        batches=st.lists(st.lists(st.sampled_from(going), min_size=1, max_size=4), min_size=1, max_size=3),
        end=st.sampled_from([None, None, None, "completed", "stopped"]),
        at_once=st.booleans(),
        seen=st.sampled_from([None, 0, 1, 99]),
    )
    def append(self, index: int, batches: list[list[str]], end: str | None, seen: int | None, *, at_once: bool) -> None:
        """Append as the owner, at the head (L1); the same once more is found out (L7).

        A control that the owner has not seen leaves no run parked (L12).
        """
        run = self.pick(index)
        for kinds in [*batches, *([[end]] if end else [])]:
            head, events = run.head, make_events(run.key.run, run.head + 1, kinds)
            self._append(run, run.epoch, head, events, seen, at_once=at_once)
            self._append(run, run.epoch, head, events, seen, at_once=at_once)
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

    def _append(
        self, run: ModelRun, epoch: int, head: int, events: list[Event], seen: int | None = None, *, at_once: bool
    ) -> None:
        code = run.allows(epoch, head, events)
        append_now = getattr(self.store, "append_now", None) if at_once else None
        if append_now is None:
            verb = self.store.append(run.key, epoch, head, events, LEASE, controls_seen=seen)
        else:
            verb = _at_once(append_now, run.key, epoch, head, events, controls_seen=seen)
        if code:
            self.refused(code, verb)
        else:
            new_head = self.do(verb)
            run.take(events, self.clock.now_ms(), seen)
            assert new_head == run.head
            if append_now is None:
                run.lease_until_ms = self.clock.now_ms() + int(LEASE * 1000)
        self.look(run, max(0, run.head - 5), 100)

    def look(self, run: ModelRun, after: int, limit: int) -> None:
        """Read a page: it is what the model holds."""
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


async def _at_once(append_now: Callable[..., int], *values: object, **named: object) -> int:
    return append_now(*values, **named)
