"""Runs on a store: start, stop, places, takeover by the next worker, and what is told of a run."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest

from riverrun.base.clock import ManualClock
from riverrun.base.errors import Busy, CursorError, InputError, NotFound, StoreError
from riverrun.events.kinds import Event, NodeRetrying, NodeStarted
from riverrun.graph.node import END, START
from riverrun.log.store import RunFilter, RunKey
from riverrun.runs.reader import follow
from riverrun.runs.service import RunService
from riverrun.runs.settings import RunSettings
from riverrun.stores.memory import MemoryStore
from tests.graph.play import check_log
from tests.runs.plans import graph, kinds, parallel, plan, until, values
from tests.runs.wrapped import WaitingStore

QUICK = {"poll_interval": 0.01, "lease_seconds": 30.0, "pool_size": 2}


class Held:
    """A node that waits until it is let go, in every run; it counts its executions."""

    def __init__(self):
        self.began, self.go = asyncio.Event(), asyncio.Event()
        self.attempts = []

    async def __call__(self, state, ctx):
        self.attempts.append(ctx.attempt)
        yield "half "
        self.began.set()
        await self.go.wait()
        yield "whole"
        yield {"log": ["held"]}


@pytest.fixture
async def workers():
    """Makes services, open, and closes them."""
    made = []

    async def make(store, graphs, **settings):
        clock = settings.pop("clock", None)
        service = RunService(store, graphs, clock=clock, settings=RunSettings(**{**QUICK, **settings}))
        made.append(service)
        await service.open()
        return service

    yield make
    for service in made:
        await service.close()


async def end_of(service, key):
    """Read a run to its end."""
    log: list[Event] = []
    async for page in follow(service.store, key, 0):
        log.extend(record.event for record in (page.records if page is not None else ()))
    check_log(log)
    return log


STORES = pytest.mark.parametrize("store", [MemoryStore, WaitingStore])


def one(state):
    return {"x": 1, "log": ["one"]}


# --- start ---


@STORES
async def test_a_start_answers_before_any_node_runs(workers, store):
    ran = []

    async def node(state):
        ran.append(1)

    service = await workers(store(), {"g": plan(a=node)})
    created = await service.start("t", "g", {"x": 1}, thread="talk")
    assert ([], True, "running", "talk", "g", 1) == (
        ran,
        created.fresh,
        created.row.status,
        created.row.thread,
        created.row.graph,
        created.row.epoch,
    )
    assert "run.completed" == (await end_of(service, created.row.key))[-1].type
    assert "completed" == (await service.row(created.row.key)).ending


@STORES
async def test_a_start_with_a_key_that_was_used_gives_the_first_run(workers, store):
    service = await workers(store(), {"g": plan(a=one), "h": plan(a=one)})
    first = await service.start("t", "g", {"x": 1}, idem_key="k")
    again = await service.start("t", "g", {"x": 1}, idem_key="k")
    assert (True, False, first.row.key) == (first.fresh, again.fresh, again.row.key)
    for graph_name, given in (("g", {"x": 2}), ("h", {"x": 1})):
        with pytest.raises(InputError) as caught:
            await service.start("t", graph_name, given, idem_key="k")
        assert "E2013" == caught.value.code
    other = await service.start("u", "g", {"x": 2}, idem_key="k")
    assert other.fresh
    assert 2 == service.statistics()["started"]
    await end_of(service, other.row.key)


async def test_what_cannot_be_started_leaves_nothing_behind(workers):
    service = await workers(MemoryStore(), {"g": plan(a=one)})
    for call, error, code in (
        (service.start("t", "gone", {}), NotFound, "E2004"),
        (service.start("t", "g", {"typo": 1}), InputError, "E2010"),
        (service.start("t", "g", 5), InputError, "E2010"),
        (service.start("t", "g", {"log": 5}), InputError, "E2010"),
    ):
        with pytest.raises(error) as caught:
            await call
        assert code == caught.value.code
    assert [] == await service.list("t", RunFilter())
    assert (0, 0) == (service.statistics()["started"], service.statistics()["running"])


async def test_the_limit_and_the_time_of_a_start_are_those_of_its_run(workers):
    service = await workers(MemoryStore(), {"g": graph((START, "a"), ("a", "a"), a=one).plan("g")}, recursion_limit=7)
    for limit, steps in ((3, 3), (None, 7)):
        created = await service.start("t", "g", {}, limit=limit)
        assert steps == (await end_of(service, created.row.key))[-1].steps
    created = await service.start("t", "g", {}, limit=10**6, timeout=0.02)
    assert "run.timed_out" == (await end_of(service, created.row.key))[-1].type


async def test_another_tenants_run_does_not_exist(workers):
    service = await workers(MemoryStore(), {"g": plan(a=one)})
    created = await service.start("t", "g", {})
    foreign = RunKey("u", created.row.key.run)
    for call in (service.row(foreign), service.stop(foreign), service.state(foreign)):
        with pytest.raises(NotFound) as caught:
            await call
        assert "E2005" == caught.value.code
    await end_of(service, created.row.key)


# --- places ---


@STORES
async def test_when_all_places_are_taken_a_run_waits_and_then_a_start_is_refused(workers, store):
    held = Held()
    service = await workers(store(), {"g": plan(a=held)}, max_running=1, max_waiting=1, poll_interval=30.0)
    first = await service.start("t", "g", {})
    second = await service.start("t", "g", {})
    assert ("running", "queued", 0) == (first.row.status, second.row.status, second.row.epoch)
    with pytest.raises(Busy) as caught:
        await service.start("t", "g", {})
    assert "E3010" == caught.value.code
    assert (1, 1) == (service.statistics()["running"], service.statistics()["waiting"])
    held.go.set()
    log = await end_of(service, second.row.key)
    assert "run.taken_over" not in kinds(log)
    assert 1 == log[1].attempt
    assert 0 == service.statistics()["waiting"]
    third = await service.start("t", "g", {})
    await end_of(service, third.row.key)


async def test_many_starts_at_once_do_not_overrun_the_limit(workers):
    held = Held()
    service = await workers(WaitingStore(), {"g": plan(a=held)}, max_running=3, max_waiting=100)
    started = await asyncio.gather(*(service.start("t", "g", {}) for _ in range(20)))
    assert 3 == service.statistics()["running"]
    held.go.set()
    for created in started:
        assert "run.completed" == (await end_of(service, created.row.key))[-1].type
    assert (20, 20) == (service.statistics()["started"], service.statistics()["ended"])


async def test_a_start_that_the_store_refuses_takes_no_place(workers):
    class Full(MemoryStore):
        async def create(self, *args, **kwargs):
            raise StoreError("E4002", "the disk is full")

    service = await workers(Full(), {"g": plan(a=one)}, max_running=1, max_waiting=0)
    for _ in range(3):
        with pytest.raises(StoreError):
            await service.start("t", "g", {})


# --- stop ---


@STORES
async def test_a_run_is_stopped_through_whichever_worker(workers, store):
    held, shared = Held(), store()
    owner = await workers(shared, {"g": plan(a=held)}, lease_seconds=0.06)
    other = await workers(shared, {}, lease_seconds=0.06)
    for asked in (owner, other):
        created = await owner.start("t", "g", {})
        await held.began.wait()
        row = await asked.stop(created.row.key, "enough")
        assert row.key == created.row.key
        log = await end_of(owner, created.row.key)
        assert ("run.stopped", "enough", ("a:1",)) == (log[-1].type, log[-1].reason, log[-1].partial)
        held.began.clear()


async def test_a_run_that_has_ended_cannot_be_stopped(workers):
    service = await workers(MemoryStore(), {"g": plan(a=one)})
    created = await service.start("t", "g", {})
    await end_of(service, created.row.key)
    with pytest.raises(InputError) as caught:
        await service.stop(created.row.key)
    assert "E2009" == caught.value.code


async def test_a_run_that_waits_for_a_place_can_be_stopped(workers):
    held = Held()
    service = await workers(MemoryStore(), {"g": plan(a=held)}, max_running=1)
    first = await service.start("t", "g", {})
    second = await service.start("t", "g", {})
    await held.began.wait()
    await service.stop(second.row.key, "not any more")
    await service.stop(first.row.key)
    assert "run.stopped" == (await end_of(service, first.row.key))[-1].type
    assert "not any more" == (await end_of(service, second.row.key))[-1].reason


async def test_a_stop_that_the_dead_owner_never_heard_reaches_its_successor(workers):
    held, clock = Held(), ManualClock()
    store = MemoryStore(clock)
    first = await workers(store, {"g": plan(a=held)}, clock=clock)
    created = await first.start("t", "g", {})
    await held.began.wait()
    _die(first)
    await store.control(created.row.key, "stop", {"reason": "unheard"})
    clock.advance(60)
    second = await workers(store, {"g": plan(a=held)}, clock=clock)
    log = await end_of(second, created.row.key)
    assert ("run.stopped", "unheard") == (log[-1].type, log[-1].reason)


async def _until_idle(service):
    """Wait until a worker has cleared its last run away: its last event is in the log a little earlier."""
    await until(lambda: not service.statistics()["running"])


async def _until_head(service, key, head):
    """Wait until a log is so long."""
    while (here := (await service.row(key)).head) < head:
        await service.store.wait(key, here, 1)


def _die(service):
    """End a worker as a kill would: nothing is given back."""
    service._closing = True
    service._leases._leases.clear()
    for task in (*service._tasks.values(), service._looker):
        task.cancel()


# --- takeover ---


@STORES
async def test_a_run_whose_worker_died_is_taken_over_after_its_lease(workers, store):
    held, clock = Held(), ManualClock()
    shared = store(clock)
    made = parallel(done=one, a=held).plan("g")
    first = await workers(shared, {"g": made}, clock=clock)
    created = await first.start("t", "g", {})
    key = created.row.key
    await _until_head(first, key, 5)
    _die(first)
    second = await workers(shared, {"g": made}, clock=clock)
    for _ in range(20):
        await asyncio.sleep(0)
    assert 0 == second.statistics()["taken_over"]
    clock.advance(60)
    held.go.set()
    log = await end_of(second, key)
    assert "run.completed" == log[-1].type
    assert [1, 2] == held.attempts
    retrying = next(event for event in log if isinstance(event, NodeRetrying))
    assert ("a:1", 2, ("a:1",), "taken_over") == (retrying.exec, retrying.attempt, retrying.voids, retrying.reason)
    assert 2 == sum(isinstance(event, NodeStarted) for event in log), "what was finished does not begin again"
    assert {"x": 1, "log": ["one", "held"]} == await second.state(key)
    await _until_idle(second)
    assert (1, 1) == (second.statistics()["taken_over"], second.statistics()["ended"])


@STORES
async def test_closing_leaves_runs_to_be_taken_over_at_once(workers, store):
    held, shared = Held(), store()
    first = await workers(shared, {"g": plan(a=held)})
    created = await first.start("t", "g", {})
    await held.began.wait()
    await first.close()
    await first.close()
    held.go.set()
    second = await workers(shared, {"g": plan(a=held)})
    log = await asyncio.wait_for(end_of(second, created.row.key), 5)
    assert ("run.completed", [1, 2]) == (log[-1].type, held.attempts)


async def test_a_worker_whose_own_lease_ended_may_be_its_own_successor(workers):
    held, clock = Held(), ManualClock()
    store = MemoryStore(clock)
    service = await workers(store, {"g": plan(a=held)}, clock=clock, poll_interval=30.0)
    created = await service.start("t", "g", {})
    await held.began.wait()
    clock.advance(60)
    service._look.set()
    await until(lambda: len(held.attempts) == 2)
    held.go.set()
    log = await end_of(service, created.row.key)
    assert ("run.completed", [1, 2]) == (log[-1].type, held.attempts)
    await _until_idle(service)
    assert {} == service._leases._leases


async def test_a_run_that_was_taken_ends_here_without_a_word(workers):
    held, clock = Held(), ManualClock()
    store = MemoryStore(clock)
    service = await workers(store, {"g": plan(a=held)}, clock=clock, poll_interval=30.0)
    created = await service.start("t", "g", {})
    await held.began.wait()
    clock.advance(60)
    await store.claim("other", graphs=frozenset({"g"}), limit=1, lease_seconds=100)
    service._leases.look_now()
    await _until_idle(service)
    assert "run.taken_over" == (await store.read(created.row.key, 0, 100)).records[-1].event.type
    assert 1 == service.statistics()["lost"]


@STORES
async def test_a_run_whose_graph_was_changed_fails_by_that_and_does_not_hang(workers, store):
    held, shared = Held(), store()
    first = await workers(shared, {"g": plan(a=held)})
    created = await first.start("t", "g", {})
    await held.began.wait()
    await _until_head(first, created.row.key, 3)
    await first.close()
    second = await workers(shared, {"g": plan(renamed=held)})
    log = await asyncio.wait_for(end_of(second, created.row.key), 5)
    assert ("run.failed", "E3009") == (log[-1].type, log[-1].error.code)
    assert ["half "] == values(log)
    assert 1 == second.statistics()["broken"]


async def test_a_run_of_a_graph_that_is_not_served_is_left_to_others(workers):
    held, store = Held(), MemoryStore()
    first = await workers(store, {"g": plan(a=held)})
    created = await first.start("t", "g", {})
    await held.began.wait()
    await first.close()
    second = await workers(store, {"other": plan(a=held)})
    for _ in range(20):
        await asyncio.sleep(0)
    assert "running" == (await second.row(created.row.key)).status
    with pytest.raises(NotFound) as caught:
        await second.state(created.row.key)
    assert "E3014" == caught.value.code


async def test_a_defect_of_ours_ends_the_run_and_tells_nothing_of_the_inside(workers, caplog):
    class Broken(WaitingStore):
        async def append(self, key, epoch, expected_seq, events, lease_seconds, **more):
            if not events[-1].terminal:
                raise ZeroDivisionError("secret")
            return await super().append(key, epoch, expected_seq, events, lease_seconds, **more)

    service = await workers(Broken(), {"g": plan(a=one)})
    created = await service.start("t", "g", {})
    page = None
    while page is None or page.status != "ended":
        page = await service.store.read(created.row.key, 0, 10)
    last = page.records[-1].event
    assert ("run.failed", "E6007") == (last.type, last.error.code)
    assert "secret" not in str(last)
    assert "secret" in caplog.text


async def test_a_store_that_cannot_be_read_for_a_while_is_asked_again(workers):
    class Flapping(MemoryStore):
        failures: ClassVar[list[Exception]] = [ZeroDivisionError(), StoreError("E4002", "gone")]

        async def claim(self, worker, *, graphs, limit, lease_seconds):
            if self.failures:
                raise self.failures.pop()
            return await super().claim(worker, graphs=graphs, limit=limit, lease_seconds=lease_seconds)

    held = Held()
    service = await workers(Flapping(), {"g": plan(a=held)}, max_running=1)
    held.go.set()
    runs = [await service.start("t", "g", {}) for _ in range(2)]
    for created in runs:
        assert "run.completed" == (await asyncio.wait_for(end_of(service, created.row.key), 5))[-1].type
    assert [] == Flapping.failures


# --- what is told ---


@STORES
async def test_the_state_is_that_of_any_place(workers, store):
    def two(state):
        return {"log": ["two"], "x": state["x"] + 1}

    service = await workers(store(), {"g": graph((START, "a"), ("a", "b"), ("b", END), a=one, b=two).plan("g")})
    created = await service.start("t", "g", {"y": 9})
    key = created.row.key
    log = await end_of(service, key)
    after = {event.node: event.seq for event in log if event.type == "node.completed"}
    assert {"log": [], "y": 9} == await service.state(key, 1)
    assert {"y": 9, "x": 1, "log": ["one"]} == await service.state(key, after["a"])
    whole = {"y": 9, "x": 2, "log": ["one", "two"]}
    assert [whole] * 3 == [
        await service.state(key, after["b"]),
        await service.state(key),
        await service.state(key, len(log)),
    ]
    for at in (0, -1, len(log) + 1):
        with pytest.raises(CursorError) as caught:
            await service.state(key, at)
        assert "E2006" == caught.value.code


async def test_the_state_of_a_stopped_run_is_that_of_any_place_too(workers):
    began = asyncio.Event()

    async def stubborn(state):
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return {"log": ["late"]}

    service = await workers(MemoryStore(), {"g": parallel(a=stubborn, b=stubborn).plan("g")})
    created = await service.start("t", "g", {"x": 1})
    await began.wait()
    await service.stop(created.row.key)
    log = await end_of(service, created.row.key)
    assert ["node.completed", "node.completed", "run.stopped"] == kinds(log)[-3:]
    for at, entries in ((3, 0), (4, 1), (5, 2), (6, 2)):
        assert entries == len((await service.state(created.row.key, at)).get("log", []))


async def test_runs_are_listed_newest_first_and_only_the_tenants_own(workers):
    service = await workers(MemoryStore(), {"g": plan(a=one)})
    keys = []
    for _ in range(3):
        keys.append((await service.start("t", "g", {})).row.key)
        await asyncio.sleep(0.002)  # ids are made from milliseconds
    await service.start("u", "g", {})
    assert keys[::-1] == [row.key for row in await service.list("t", RunFilter())]
    for key in keys:
        await end_of(service, key)


async def test_opening_twice_is_harmless_and_closing_a_worker_that_never_opened_too(workers):
    service = await workers(MemoryStore(), {"g": plan(a=one)})
    await service.open()
    closed = RunService(MemoryStore(), {})
    await closed.close()
