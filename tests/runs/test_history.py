"""What a run was like at any of its events, and what runs begin from: the same however it is asked for."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import CursorError, NodeError, NotFound, StoreError
from riverrun.events.kinds import Base, Event, RunStarted
from riverrun.graph.build import GraphBuilder
from riverrun.graph.machine import Machine
from riverrun.graph.moves import RunState
from riverrun.graph.node import START
from riverrun.graph.replay import replay
from riverrun.graph.step import CancelNode, RunNode
from riverrun.log.store import RunKey
from riverrun.runs.history import History, read_log
from riverrun.stores.memory import MemoryStore
from tests.runs.wrapped import WaitingStore


class State(TypedDict, total=False):
    """A list that grows and a value that is replaced."""

    log: Annotated[list[str], operator.add]
    last: str


def nothing(state):
    """Stand for a node; the tests say what it gives back."""


def two_nodes(*names):
    """Two nodes, one after the other."""
    builder = GraphBuilder(State)
    for before, name in zip((START, *names), names, strict=False):
        builder.add_node(name, nothing).add_edge(before, name)
    return builder.plan("g")


PLAN = two_nodes("a", "b")
OTHER = two_nodes("other")


class Counting(MemoryStore):
    """A memory store that counts which logs are read, and gives few events at once."""

    def __init__(self, most: int = 10**6) -> None:
        super().__init__()
        self.most = most
        self.reads: list[str] = []

    async def read(self, key, after, limit):
        """As `LogStore.read`."""
        self.reads.append(key.run)
        return await super().read(key, after, min(limit, self.most))


def run_id(number):
    return f"{number:032x}"


def key_of(number, tenant="t"):
    return RunKey(tenant, run_id(number))


def first_event(number, base=None):
    return RunStarted(seq=1, ts=1, run=run_id(number), graph="g", log="00000000", input={"log": ["in"]}, base=base)


def ran(number, base=None, ground=None, *, steps=2, stopped=False):
    """Give the log of a run of which so many nodes ended; then it is stopped, or stays as it is."""
    machine = Machine(PLAN, run_id(number))
    machine.started(first_event(number, base), ground)
    for _ in range(steps):
        for order in drained(machine):
            assert isinstance(order, RunNode)
            seen = len(order.state["log"])
            machine.returned(order.exec_id, {"log": [f"{number}{seen}"], "last": f"{number}"}, (), (), 2)
    if stopped:
        machine.stopped("enough", 3)
        for order in drained(machine):
            if isinstance(order, CancelNode):  # one that goes on to its end: what it wrote stands before the last event
                machine.returned(order.exec_id, {"log": ["late"]}, (), (), 3)
    return machine.events


def drained(machine):
    orders, machine.commands = machine.commands, []
    return orders


async def keep_in(store, log, tenant="t"):
    """Put a whole log into a store."""
    await store.create(tenant, log[0], prefix=log[1:])


# --- where a run begins ---

# Of each run: which earlier one it begins from (0: none), at which of its events (0: as it ended), and after how many
# nodes it is stopped (2: it completes).
FAMILIES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 2)), min_size=1, max_size=7)


class Family:
    """Runs that begin from one another, folded one by one as they are made: what is expected of a history."""

    def __init__(self, drawn):
        self.logs: list[list[Event]] = []
        self.bases: list[Base | None] = []
        self.grounds: list[dict[str, Any] | None] = []
        for number, (parent, place, steps) in enumerate(drawn):
            base, ground = self._base(number, parent, place)
            self.bases.append(base)
            self.grounds.append(ground)
            self.logs.append(ran(number, base, ground, steps=steps, stopped=steps < 2))

    def _base(self, number, parent, place):
        if not (number and parent):
            return None, None
        before = (parent - 1) % number
        log = self.logs[before]
        seq = None if not place else 1 + (place - 1) % len(log)
        return Base(run_id(before), seq), replay(PLAN, run_id(before), log, seq, self.grounds[before]).values()

    async def stored(self, store):
        """Put all logs into a store."""
        for log in self.logs:
            await keep_in(store, log)
        return store

    @property
    def started(self):
        """The first events."""
        return [log[0] for log in self.logs]


@given(FAMILIES, st.permutations(range(7)))
def test_what_a_run_begins_from_is_what_folding_the_runs_before_it_one_by_one_gives(drawn, order):
    family = Family(drawn)

    async def ask():
        history = History(await family.stored(MemoryStore()))
        asked = [number for number in (*order, *order) if number < len(drawn)]  # twice: the second time some is kept
        return [(number, await history.base(PLAN, "t", family.started[number])) for number in asked]

    for number, state in asyncio.run(ask()):
        assert family.grounds[number] == state


@given(FAMILIES)
def test_a_run_at_any_of_its_events_is_what_folding_all_before_it_gives(drawn):
    family = Family(drawn)

    async def ask():
        history = History(await family.stored(MemoryStore()))
        for number, log in enumerate(family.logs):
            for seq in (*range(1, len(log) + 1), None):
                machine = await history.at(PLAN, key_of(number), seq)
                expected = replay(PLAN, run_id(number), log, seq, family.grounds[number])
                assert (expected.values(), expected.seq, expected.state) == (
                    machine.values(),
                    machine.seq,
                    machine.state,
                )
            assert RunState.ENDED is machine.state

    asyncio.run(ask())


def chain(length):
    """Draw a family in which each run begins where the one before ended."""
    return Family([(number, 0, 2) for number in range(length)])


async def test_a_run_that_ended_is_folded_once():
    family = chain(5)
    store = await family.stored(Counting())
    history = History(store)
    first = await history.base(PLAN, "t", family.started[4])
    assert [run_id(number) for number in (3, 2, 1, 0)] == list(dict.fromkeys(store.reads))
    store.reads.clear()
    assert first == await history.base(PLAN, "t", family.started[4])
    await keep_in(store, ran(5, Base(run_id(4))))
    await history.base(PLAN, "t", first_event(5, Base(run_id(4))))
    assert {run_id(4)} == set(store.reads), "only what came since is read"


async def test_a_run_that_still_goes_on_is_folded_anew_but_at_an_event_of_it_only_once():
    log = ran(0)
    store = Counting()
    await store.create("t", log[0], worker="w", lease_seconds=10)
    store.append_now(key_of(0), 1, 1, log[1:3])
    history, at_last, at_3 = History(store), first_event(1, Base(run_id(0))), first_event(1, Base(run_id(0), 3))
    for base, left in ((at_last, ["in", "01"]), (at_3, ["in", "01"])):
        state = await history.base(PLAN, "t", base)
        assert state is not None
        assert left == state["log"]
    store.append_now(key_of(0), 1, 3, log[3:])
    changed, kept = await history.base(PLAN, "t", at_last), await history.base(PLAN, "t", at_3)
    assert changed is not None
    assert kept is not None
    assert (["in", "01", "02"], ["in", "01"]) == (changed["log"], kept["log"])


async def test_a_run_that_begins_from_nothing_reads_nothing():
    store = Counting()
    assert None is await History(store).base(PLAN, "t", first_event(0))
    assert [] == store.reads


async def test_a_run_that_another_begins_from_may_be_gone_or_anothers():
    family = chain(3)
    store = await family.stored(MemoryStore())
    for tenant, number in (("u", 2), ("t", 1)):
        if tenant == "t":
            await store.sweep(2**60)
        with pytest.raises(NotFound) as caught:
            await History(store).base(PLAN, tenant, family.started[number])
        assert "E2005" == caught.value.code


async def test_what_is_kept_outlives_the_log_and_belongs_to_its_tenant():
    family = chain(2)
    store = await family.stored(MemoryStore())
    history = History(store)
    left = await history.base(PLAN, "t", family.started[1])
    await store.sweep(2**60)
    assert left == await history.base(PLAN, "t", family.started[1])
    with pytest.raises(NotFound):
        await history.base(PLAN, "u", family.started[1])


async def test_a_log_of_another_graph_is_refused():
    family = chain(2)
    history = History(await family.stored(MemoryStore()))
    for call in (history.base(OTHER, "t", family.started[1]), history.at(OTHER, key_of(0))):
        with pytest.raises(NodeError) as caught:
            await call
        assert "E3009" == caught.value.code


# --- what is kept ---


async def test_only_what_cannot_change_is_kept():
    history = History(MemoryStore())
    history.keep(PLAN, key_of(0), None, {"last": "goes on"}, ended=False)
    history.keep(PLAN, key_of(1), None, {"last": "ended"}, ended=True)
    history.keep(PLAN, key_of(2), 4, {"last": "at 4"}, ended=False)
    assert {"last": "ended"} == await history.base(PLAN, "t", first_event(9, Base(run_id(1))))
    assert {"last": "at 4"} == await history.base(PLAN, "t", first_event(9, Base(run_id(2), 4)))
    for base in (Base(run_id(0)), Base(run_id(1), 4), Base(run_id(2))):
        with pytest.raises(NotFound):
            await history.base(PLAN, "t", first_event(9, base))


async def test_what_was_not_asked_for_longest_is_forgotten_first():
    history = History(MemoryStore())
    for number in range(1000):
        history.keep(PLAN, key_of(number), None, {"last": f"{number}"}, ended=True)
    assert {"last": "0"} == await history.base(PLAN, "t", first_event(9999, Base(run_id(0))))
    history.keep(PLAN, key_of(1000), None, {"last": "1000"}, ended=True)
    for number in (0, 2, 1000):
        kept = await history.base(PLAN, "t", first_event(9999, Base(run_id(number))))
        assert {"last": f"{number}"} == kept
    with pytest.raises(NotFound):
        await history.base(PLAN, "t", first_event(9999, Base(run_id(1))))


# --- reading ---


@given(st.integers(1, 7), st.integers(0, 9), st.booleans())
def test_a_log_is_read_to_where_it_is_asked_for_however_few_events_a_page_has(most, upto, whole):
    log = ran(0)

    async def ask():
        store = Counting(most)
        await keep_in(store, log)
        return await read_log(store, key_of(0), None if whole else upto)

    assert (log if whole else log[:upto]) == asyncio.run(ask())


async def test_a_log_whose_run_or_beginning_is_not_there_is_refused():
    store = MemoryStore()
    await keep_in(store, ran(0))
    for call in (read_log(store, key_of(1)), read_log(store, key_of(0, "u")), History(store).at(PLAN, key_of(1))):
        with pytest.raises(NotFound) as caught:
            await call
        assert "E2005" == caught.value.code
    store.trim(key_of(0), 2)
    with pytest.raises(CursorError) as trimmed:
        await read_log(store, key_of(0))
    assert "E4007" == trimmed.value.code


async def test_a_store_that_cannot_be_read_says_so_and_nothing_is_kept_of_it():
    family = chain(2)
    store = await family.stored(WaitingStore())
    history = History(store)
    store.read_faults = 1
    with pytest.raises(StoreError) as caught:
        await history.base(PLAN, "t", family.started[1])
    assert "E4002" == caught.value.code
    assert family.grounds[1] == await history.base(PLAN, "t", family.started[1])
