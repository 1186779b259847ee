"""Runs on a store: start, stop, places, and what is told of a run; who drives them is `test_owner.py`."""

from __future__ import annotations

import asyncio

import pytest

from riverrun.base.errors import Busy, CursorError, InputError, NotFound, StoreError
from riverrun.graph.node import END, START
from riverrun.log.store import RunFilter, RunKey
from riverrun.stores.memory import MemoryStore
from tests.runs.plans import graph, kinds, parallel, plan
from tests.runs.workers import Held, end_of
from tests.runs.wrapped import WaitingStore

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
