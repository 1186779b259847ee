"""Checkpoints are made when they are due, kept when their events are, and no recovery depends on one."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict

import pytest

from riverrun.base.clock import ManualClock
from riverrun.base.errors import StoreError
from riverrun.events.kinds import RunCompleted
from riverrun.graph.build import GraphBuilder
from riverrun.graph.checkpoint import freeze
from riverrun.graph.machine import Machine
from riverrun.graph.node import END, START
from riverrun.graph.replay import replay
from riverrun.log.store import Kept, RunKey
from riverrun.runs.checkpoints import Checkpoints, Owned
from riverrun.runs.history import History, first_of, read_log
from riverrun.runs.launch import Means, recall
from riverrun.runs.pool import Pool
from riverrun.runs.reader import follow
from riverrun.runs.service import RunService
from riverrun.runs.settings import RunSettings
from riverrun.stores.memory import MemoryStore
from riverrun.stores.sqlite import SqliteStore
from tests.graph.play import RUN, run_started
from tests.runs.wrapped import WaitingStore

KEY = RunKey("t", RUN)
EVERY = 10


class State(TypedDict, total=False):
    """How often a node ran."""

    log: Annotated[list[Any], operator.add]


def nothing(state):
    """Stand for a node; the tests say what it gives back."""


def loop_of(function=nothing, rounds=10**6):
    """One node that runs again and again."""

    def again(state):
        return END if len(state["log"]) >= rounds else "a"

    builder = GraphBuilder(State).add_node("a", function).add_edge(START, "a")
    return builder.add_conditional_edges("a", again, ["a", END]).plan("sketch")


PLAN = loop_of()


class Ride:
    """A run in a memory store, moved by hand."""

    def __init__(self, value=1):
        self.store = MemoryStore(ManualClock())
        self.machine = Machine(PLAN, RUN)
        self.checkpoints = Checkpoints(self.store, EVERY)
        self.head = 1
        self.value = value

    async def begin(self):
        started = run_started(10_000)
        await self.store.create("t", started, worker="w", lease_seconds=30)
        self.machine.started(started)
        self.machine.events.pop(0)
        return self

    def say(self, rounds):
        """Let the node run, without committing what is said."""
        for _ in range(rounds):
            number = self.machine.made
            self.machine.commands.clear()
            self.machine.returned(f"a:{number}", {"log": [self.value]}, (), (), 2)
            self.machine.routed(f"a:{number}", ("a",), 2)
        return self

    async def commit(self):
        events, self.machine.events = self.machine.events, []
        self.head = await self.store.append(KEY, 1, self.head, events, 30)

    async def look(self, epoch=1):
        await self.checkpoints.look([Owned(KEY, epoch, self.machine)])
        return await self.store.kept(KEY)


async def test_a_short_run_gets_none():
    ride = (await Ride().begin()).say(3)
    await ride.commit()
    assert None is await ride.look()


async def test_a_checkpoint_is_kept_once_its_events_are_committed():
    ride = (await Ride().begin()).say(6)
    assert None is await ride.look()
    place = ride.machine.seq
    await ride.commit()
    ride.say(1)
    kept = await ride.look()
    assert (place, "00000000") == kept[:2]
    assert kept == await ride.look(), "the next one is not due"
    assert {"made": 1, "kept": 1, "begun": 0, "impossible": 0, "useless": 0} == ride.checkpoints.counts


async def test_all_checkpoints_together_are_no_larger_than_the_log():
    ride = await Ride("x" * 500).begin()
    written = 0
    for _ in range(200):
        ride.say(5)
        await ride.commit()
        before = await ride.store.kept(KEY)
        after = await ride.look()
        written += len(after.body) if after is not None and after != before else 0
    page = await ride.store.read(KEY, 0, 10**6)
    assert 0 < written <= sum(len(record.data) for record in page.records)
    assert 3 <= ride.checkpoints.counts["kept"] < 40


async def test_what_cannot_be_kept_is_tried_again_but_not_every_time():
    ride = (await Ride((1, 2)).begin()).say(6)
    await ride.commit()
    for _ in range(5):
        assert None is await ride.look()
    assert 1 == ride.checkpoints.counts["impossible"]
    ride.say(2)
    await ride.look()
    assert 2 == ride.checkpoints.counts["impossible"]


async def test_what_a_former_owner_made_is_forgotten():
    ride = (await Ride().begin()).say(6)
    await ride.look()
    await ride.commit()
    ride.store._clock.advance(60)
    await ride.store.claim("v", graphs=frozenset({"sketch"}), limit=1, lease_seconds=30)
    assert None is await ride.look(1)
    assert 1 == ride.checkpoints.counts["made"]


async def test_a_store_that_fails_is_told_and_the_checkpoint_waits():
    class Failing(MemoryStore):
        fails = True

        async def keep(self, key, epoch, seq, body):
            if self.fails:
                raise StoreError("E4002", "as the test asked for")
            return await super().keep(key, epoch, seq, body)

    ride = Ride()
    ride.store = Failing(ManualClock())
    ride.checkpoints = Checkpoints(ride.store, EVERY)
    (await ride.begin()).say(6)
    await ride.commit()
    with pytest.raises(StoreError):
        await ride.look()
    ride.store.fails = False
    assert None is not await ride.look()


@pytest.mark.parametrize("store", [WaitingStore(), MemoryStore()], ids=["a store without", "not asked for"])
async def test_without_checkpoints_nothing_is_made(store):
    every = 0 if isinstance(store, MemoryStore) else EVERY
    checkpoints = Checkpoints(store, every)
    machine = Machine(PLAN, RUN)
    machine.started(run_started())
    await checkpoints.look([Owned(KEY, 1, machine)])
    assert None is await checkpoints.begin(PLAN, KEY, "00000000", 9)
    await checkpoints.leave(PLAN, KEY, 1, 1, {})
    assert None is await checkpoints.left(PLAN, KEY, "00000000", 1)
    assert 0 == sum(checkpoints.counts.values())


# --- beginning with one ---


def means_of(store, every=EVERY):
    settings = RunSettings(checkpoint_events=every)
    return Means(store=store, clock=ManualClock(), pool=Pool(1), settings=settings, history=History(store, every))


async def taken_over(ride):
    """Let another worker claim the run."""
    ride.store._clock.advance(60)
    (row,) = await ride.store.claim("v", graphs=frozenset({"sketch"}), limit=1, lease_seconds=30)
    return row


def looks(machine):
    return machine.seq, machine.state, machine.values(), machine.events, [order.exec_id for order in machine.commands]


class Foreign(MemoryStore):
    """Gives what a test puts in place of a checkpoint."""

    instead: Kept | None = None
    read_from: list[int]

    async def kept(self, key):
        return self.instead or await super().kept(key)

    async def read(self, key, after, limit):
        self.read_from.append(after)
        return await super().read(key, after, limit)


async def long_run():
    """A run that was taken over behind a checkpoint, and its row."""
    ride = Ride()
    ride.store = Foreign(ManualClock())
    ride.store.read_from = []
    ride.checkpoints = Checkpoints(ride.store, EVERY)
    (await ride.begin()).say(30)
    await ride.commit()
    kept = await ride.look()
    ride.say(4)
    await ride.commit()
    return ride, kept, await taken_over(ride)


async def test_a_recovery_begins_with_the_checkpoint_and_ends_where_the_log_does():
    ride, kept, row = await long_run()
    whole = replay(PLAN, RUN, await read_log(ride.store, KEY))
    ride.store.read_from.clear()
    means = means_of(ride.store)
    machine, started, was_running = await recall(means, PLAN, row)
    assert looks(whole) == looks(machine)
    assert (run_started(10_000), True) == (started, was_running)
    assert {row.head - 1, kept.seq, 0} == set(ride.store.read_from)
    assert 1 == means.history.checkpoints.counts["begun"]
    means.pool.close()


def another_print(kept):
    """That of a graph that has one node more."""
    machine = Machine(GraphBuilder(State).add_node("a", nothing).add_edge(START, "a").plan("sketch"), RUN)
    machine.started(run_started())
    machine.events.clear()
    return kept._replace(body=freeze(machine))


def another_place(kept):
    """That of a run of the graph that did something else: the log does not follow from it."""
    ride = Ride()
    ride.machine.started(run_started(10_000))
    ride.say(2)
    ride.machine.events.clear()
    return kept._replace(seq=ride.machine.seq + 1, body=freeze(ride.machine))


FOREIGN = {
    "damaged": lambda kept: kept._replace(body=kept.body[:-9]),
    "of another graph": another_print,
    "of another log": lambda kept: kept._replace(log="ffffffff"),
    "beyond the head": lambda kept: kept._replace(seq=10_000),
    "nonsense": lambda kept: kept._replace(body=b"\x95\x01"),
}


@pytest.mark.parametrize("what", FOREIGN)
async def test_a_checkpoint_that_is_of_no_use_costs_time_and_nothing_else(what):
    ride, kept, row = await long_run()
    ride.store.instead = FOREIGN[what](kept)
    whole = replay(PLAN, RUN, await read_log(ride.store, KEY))
    means = means_of(ride.store)
    machine, _, _ = await recall(means, PLAN, row)
    assert looks(whole) == looks(machine)
    assert 0 == means.history.checkpoints.counts["begun"]
    means.pool.close()


async def test_a_checkpoint_from_which_the_log_does_not_follow_is_not_begun_with():
    ride, kept, row = await long_run()
    ride.store.instead = another_place(kept)
    log = await read_log(ride.store, KEY)
    ride.store.instead = ride.store.instead._replace(seq=ride.store.instead.seq)
    whole = replay(PLAN, RUN, log)
    means = means_of(ride.store)
    machine, _, _ = await recall(means, PLAN, row)
    assert looks(whole) == looks(machine)
    means.pool.close()


async def test_the_state_at_an_event_is_the_same_with_a_checkpoint_and_without():
    ride, kept, _ = await long_run()
    log = await read_log(ride.store, KEY)
    history = History(ride.store, EVERY)
    for seq in (1, 5, kept.seq - 1, kept.seq, kept.seq + 1, len(log), None):
        whole = replay(PLAN, RUN, log, seq)
        machine = await history.at(PLAN, KEY, seq)
        assert (whole.values(), whole.next) == (machine.values(), machine.next)
    assert 4 == history.checkpoints.counts["begun"]


# --- what ended runs left ---


async def test_what_a_long_chain_of_runs_left_is_kept_for_the_next_process():
    store = MemoryStore(ManualClock())
    service = RunService(store, {"g": loop_of(lambda _: {"log": [1]}, 1)}, settings=RunSettings(checkpoint_events=20))
    await service.open()
    keys = []
    for _ in range(8):
        keys.append((await service.start("t", "g", {"log": []}, thread="talk")).row.key)
        async for _ in follow(store, keys[-1], 0):
            pass
    expected = (await service.state(keys[-1]))["log"]
    await service.close()
    started = first_of(await read_log(store, keys[-1]))
    for key in keys:
        store._runs[key].kept = None
    history = History(store, 20)
    plan = service.graphs["g"]
    first = await history.base(plan, "t", started)
    assert first is not None
    assert 1 == history.checkpoints.counts["kept"]
    other = History(store, 20)
    assert first == await other.base(plan, "t", started)
    assert (1, 0) == (other.checkpoints.counts["begun"], other.checkpoints.counts["kept"])
    assert [*first["log"], 1] == expected or first["log"] == expected[:-1]


# --- in a worker ---


async def test_a_worker_makes_them_of_its_runs_and_the_next_one_begins_with_them(tmp_path):
    rounds, seen = 400, []
    holding, go_on = asyncio.Event(), asyncio.Event()

    async def work(state):
        seen.append(len(state.get("log", ())))
        if len(seen) == rounds - 2:
            holding.set()
            await go_on.wait()
        return {"log": [len(seen)]}

    settings = RunSettings(checkpoint_events=50, checkpoint_interval=0.01, lease_seconds=3.0, poll_interval=0.05)
    store = SqliteStore(tmp_path / "a.db")
    graphs = {"g": loop_of(work, rounds)}
    first = RunService(store, graphs, settings=settings)
    await first.open()
    key = (await first.start("t", "g", {"log": []})).row.key
    await holding.wait()
    while (await store.kept(key) or (0,))[0] < 2 * rounds - 60:  # noqa: ASYNC110  # the test has a time-out
        await asyncio.sleep(0.01)
    await first.close()
    go_on.set()
    second = RunService(store, graphs, settings=settings)
    await second.open()
    last = [page.records[-1].event async for page in follow(store, key, 0) if page is not None][-1]
    assert isinstance(last, RunCompleted)
    assert rounds == last.steps
    assert 1 == second._history.checkpoints.counts["begun"]
    assert rounds + 1 == len(seen), "the one that was under way ran again, and no other"
    assert None is await store.kept(key), "a run that has ended needs none"
    await second.close()
    await store.close()
