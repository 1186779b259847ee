"""A worker and its runs: it takes what waits, goes on with what others left, and lets go of what is another's."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.clock import ManualClock
from riverrun.base.errors import NotFound, StoreError
from riverrun.events.kinds import NodeInterrupted, NodeRetrying, NodeStarted, RunResumed, RunStarted
from riverrun.log.store import RunKey
from riverrun.runs.owner import Owner
from riverrun.runs.service import RunService
from riverrun.runs.settings import RunSettings
from riverrun.stores.memory import MemoryStore
from tests.runs.plans import parallel, plan, until, values
from tests.runs.workers import QUICK, Held, die, end_of, until_head, until_idle
from tests.runs.wrapped import WaitingStore

STORES = pytest.mark.parametrize("store", [MemoryStore, WaitingStore])


def one(state):
    return {"x": 1, "log": ["one"]}


def run_id(number):
    return f"{number:032x}"


async def queue(store, count, *, name="g", first=0):
    """Put runs into a store that nobody owns yet."""
    numbers = range(first, first + count)
    for number in numbers:
        started = RunStarted(seq=1, ts=1, run=run_id(number), graph=name, log="00000000", input={})
        await store.create("t", started)
    return [RunKey("t", run_id(number)) for number in numbers]


# --- runs that wait ---


@given(st.integers(0, 6), st.integers(1, 3), st.booleans())
@pytest.mark.slow
def test_a_worker_takes_what_waits_for_its_graphs_and_never_more_at_once_than_it_may(count, most, waits):
    running: set[str] = set()
    at_once: list[int] = []

    async def node(state, ctx):
        running.add(ctx.run)
        at_once.append(len(running))
        await asyncio.sleep(0)
        running.discard(ctx.run)

    async def work():
        store: Any = WaitingStore() if waits else MemoryStore()
        keys = await queue(store, count)
        (foreign,) = await queue(store, 1, name="foreign", first=count)
        owner = Owner(store, {"g": plan(a=node)}, settings=RunSettings(**{**QUICK, "max_running": most}))
        await owner.open()
        for key in keys:
            assert "run.completed" == (await end_of(owner, key))[-1].type
        await until_idle(owner)
        told = owner.statistics()
        await owner.close()
        assert (count, 0, 0, 0) == tuple(told[name] for name in ("ended", "taken_over", "lost", "broken"))
        assert "queued" == (await store.read(foreign, 0, 1)).status

    asyncio.run(work())
    assert count == len(at_once)
    assert max(at_once, default=0) <= most


async def test_a_run_that_was_left_to_another_worker_is_not_waited_for():
    """A worker counts what it started and could not run; who runs it does not matter."""
    held, store = Held(), MemoryStore()
    busy = RunService(store, {"g": plan(a=held)}, settings=RunSettings(**{**QUICK, "max_running": 1}))
    await busy.open()
    first = await busy.start("t", "g", {})
    second = await busy.start("t", "g", {})
    assert 1 == busy.statistics()["waiting"]
    other = Owner(store, {"g": plan(a=held)}, settings=RunSettings(**QUICK))
    await other.open()
    await until(lambda: other.statistics()["running"])
    held.go.set()
    for created in (first, second):
        assert "run.completed" == (await end_of(busy, created.row.key))[-1].type
    await until(lambda: not busy.statistics()["waiting"])
    await other.close()
    await busy.close()


# --- what is asked of a run ---


class Gated(MemoryStore):
    """A memory store that gives no event of a log while its gate is shut."""

    def __init__(self, clock=None):
        super().__init__(clock)
        self.reading, self.gate = asyncio.Event(), asyncio.Event()

    async def read(self, key, after, limit):
        """As `LogStore.read`, behind the gate."""
        self.reading.set()
        await self.gate.wait()
        return await super().read(key, after, limit)


async def test_a_stop_that_comes_while_the_log_is_still_being_read_is_not_lost(workers):
    ran = []
    store = Gated()
    (key,) = await queue(store, 1)
    service = await workers(store, {"g": plan(a=lambda state: ran.append(1))}, lease_seconds=0.06)
    await store.reading.wait()
    await store.control(key, "stop", {"reason": "early"})
    await until(lambda: service._leases._leases[key].controls_after == 1)
    await asyncio.sleep(0.002)  # what the renewal found is told on the loop
    store.gate.set()
    log = await end_of(service, key)
    assert ("run.stopped", "early", []) == (log[-1].type, log[-1].reason, ran)


def asking(*questions):
    """Make a node that asks these one after another and writes the answers."""

    async def node(state, ctx):
        return {"log": [ctx.interrupt(question) for question in questions]}

    return node


async def answered(service, key, count):
    """Answer the question that a run is parked at, once it has asked so many."""
    while True:
        log = [record.event for record in (await service.store.read(key, 0, 1000)).records]
        asked = [event.question for event in log if isinstance(event, NodeInterrupted)]
        if len(asked) == count and log[-1].type == "run.interrupted":
            break
        await service.store.wait(key, len(log), 5)
    await service.resume(key, {asked[-1].id: f"answer {count}"})


@STORES
async def test_answers_that_were_taken_are_not_given_again_to_the_next_owner(workers, store):
    clock = ManualClock()
    shared, made = store(clock), plan(a=asking("1?", "2?", "3?"))
    for count in (1, 2, 3):  # each by a worker of its own, which is told all that was ever asked
        service = await workers(shared, {"g": made}, clock=clock)
        if count == 1:
            key = (await service.start("t", "g", {})).row.key
        await answered(service, key, count)
        if count < 3:
            await until_head(service, key, 4 * count + 3)
            await until_idle(service)
            assert (2 if count == 1 else 1) == service.statistics()["parked"]
            await service.close()
    log = await end_of(service, key)
    assert [1, 1, 1] == [len(event.answers) for event in log if isinstance(event, RunResumed)]
    assert ["answer 1", "answer 2", "answer 3"] == (await service.state(key))["log"]
    assert 0 == service.statistics()["broken"]


@STORES
async def test_an_answer_that_did_not_fit_is_not_given_again_to_the_same_question(workers, store):
    clock = ManualClock()
    shared, made = store(clock), plan(a=lambda state, ctx: {"x": ctx.interrupt("how many?", type=int)})
    first = await workers(shared, {"g": made}, clock=clock)
    key = (await first.start("t", "g", {})).row.key
    await answered(first, key, 1)
    await until_head(first, key, 7)
    await first.close()
    second = await workers(shared, {"g": made}, clock=clock)
    await second.resume(key, {"a:1?1": 5})  # the worker that takes it is told of both answers
    log = await end_of(second, key)
    assert ["answer 1", 5] == [event.answers["a:1?1"] for event in log if isinstance(event, RunResumed)]
    assert 5 == (await second.state(key))["x"]


async def test_answers_to_what_is_no_longer_asked_and_requests_that_nobody_understands_change_nothing(workers):
    store = MemoryStore()
    service = await workers(store, {"g": parallel(a=asking("a?"), b=asking("b?")).plan("g")})
    key = (await service.start("t", "g", {})).row.key
    await until_head(service, key, 6)
    await store.control(key, "damaged", {})
    await store.control(key, "resume", {"answers": {"gone:1?1": "x"}})
    await store.control(key, "resume", {"answers": {"a:1?1": "A", "gone:1?1": "x"}})
    await store.control(key, "resume", {"answers": {"a:1?1": "again", "b:1?1": "B"}})
    log = await end_of(service, key)
    assert [{"a:1?1": "A"}, {"b:1?1": "B"}] == [event.answers for event in log if isinstance(event, RunResumed)]
    assert ["A", "B"] == (await service.state(key))["log"]


async def test_an_answer_that_comes_after_a_stop_changes_nothing_and_disturbs_nobody(workers):
    trouble: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: trouble.append(context))
    began, go = asyncio.Event(), asyncio.Event()

    async def slow(state):
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            await go.wait()

    store = MemoryStore()
    service = await workers(store, {"g": parallel(a=asking("a?"), b=slow).plan("g")})
    key = (await service.start("t", "g", {})).row.key
    await until_head(service, key, 4)
    await began.wait()  # else the stop finds a node that has not begun, and the run ends before the answer
    await service.stop(key, "enough")
    await service.resume(key, {"a:1?1": "late"})
    service._leases.look_now()
    await until(lambda: service._drivers[key][1].controls_seen == 2)
    go.set()
    assert "run.stopped" == (await end_of(service, key))[-1].type
    assert [] == trouble


async def test_a_run_that_is_parked_takes_no_place(workers):
    service = await workers(MemoryStore(), {"g": plan(a=asking("1?"))}, max_running=1)
    keys = [(await service.start("t", "g", {})).row.key for _ in range(3)]
    for key in keys:
        await answered(service, key, 1)
    for key in keys:
        assert "run.completed" == (await end_of(service, key))[-1].type
    await until_idle(service)
    told = service.statistics()
    assert (3, 3, 0, 0) == (told["parked"], told["ended"], told["taken_over"], told["waiting"])


async def test_a_stop_that_the_dead_owner_never_heard_reaches_its_successor(workers):
    held, clock = Held(), ManualClock()
    store = MemoryStore(clock)
    first = await workers(store, {"g": plan(a=held)}, clock=clock)
    created = await first.start("t", "g", {})
    await held.began.wait()
    die(first)
    await store.control(created.row.key, "stop", {"reason": "unheard"})
    clock.advance(60)
    second = await workers(store, {"g": plan(a=held)}, clock=clock)
    log = await end_of(second, created.row.key)
    assert ("run.stopped", "unheard") == (log[-1].type, log[-1].reason)


# --- takeover ---


@STORES
async def test_a_run_whose_worker_died_is_taken_over_after_its_lease(workers, store):
    held, clock = Held(), ManualClock()
    shared = store(clock)
    made = parallel(done=one, a=held).plan("g")
    first = await workers(shared, {"g": made}, clock=clock)
    created = await first.start("t", "g", {})
    key = created.row.key
    await until_head(first, key, 5)
    die(first)
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
    await until_idle(second)
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
    await until_idle(service)
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
    await until_idle(service)
    assert "run.taken_over" == (await store.read(created.row.key, 0, 100)).records[-1].event.type
    assert 1 == service.statistics()["lost"]


@STORES
async def test_a_run_whose_graph_was_changed_fails_by_that_and_does_not_hang(workers, store):
    held, shared = Held(), store()
    first = await workers(shared, {"g": plan(a=held)})
    created = await first.start("t", "g", {})
    await held.began.wait()
    await until_head(first, created.row.key, 3)
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


async def test_what_a_node_raised_is_logged_with_its_stack_once_the_run_has_failed(workers, caplog):
    async def node(state):
        raise ZeroDivisionError("mine")

    service = await workers(WaitingStore(), {"g": plan(a=node)})
    created = await service.start("t", "g", {})
    page = None
    while page is None or page.status != "ended":
        page = await service.store.read(created.row.key, 0, 10)
    await until_idle(service)
    (logged,) = [record for record in caplog.records if record.exc_info]
    assert "mine" == str(logged.exc_info[1])
    assert created.row.key.run in logged.getMessage()


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


# --- a store that fails ---


@pytest.mark.parametrize("failures", [1, 3])
@pytest.mark.slow
async def test_a_run_waits_for_its_store_however_long_that_is_away(workers, failures):
    store = WaitingStore()
    (key,) = await queue(store, 1)
    store.read_faults = failures
    service = await workers(store, {"g": plan(a=one)})
    await until(lambda: not store.read_faults)
    assert "run.completed" == (await end_of(service, key))[-1].type
    await until_idle(service)
    assert (0, 1) == (service.statistics()["broken"], service.statistics()["ended"])


async def test_a_log_that_is_damaged_is_not_waited_for(workers):
    class Damaged(MemoryStore):
        whole = False

        async def read(self, key, after, limit):
            if not self.whole:
                self.whole = True
                raise StoreError("E4003", "the log is damaged")
            return await super().read(key, after, limit)

    store = Damaged()
    (key,) = await queue(store, 1)
    service = await workers(store, {"g": plan(a=one)})
    await until(lambda: service.statistics()["broken"])
    log = await end_of(service, key)
    assert ("run.failed", "E4003") == (log[-1].type, log[-1].error.code)


async def test_a_run_that_breaks_and_cannot_be_buried_ends_no_worker(workers):
    class Broken(MemoryStore):
        broken = True

        def append_now(self, *args, **more):
            if self.broken:
                raise StoreError("E4003", "the disk is damaged")
            return super().append_now(*args, **more)

    store, clock = Broken(), ManualClock()
    store._clock = clock
    service = await workers(store, {"g": plan(a=one)}, clock=clock)
    key = (await service.start("t", "g", {})).row.key
    await until(lambda: service.statistics()["broken"])
    await until_idle(service)
    assert "running" == (await service.row(key)).status
    store.broken = False
    clock.advance(60)
    assert "run.completed" == (await end_of(service, key))[-1].type


# --- opening and closing ---


async def test_opening_twice_is_harmless_and_closing_a_worker_that_never_opened_too(workers):
    service = await workers(MemoryStore(), {"g": plan(a=one)})
    await service.open()
    closed = RunService(MemoryStore(), {})
    await closed.close()
