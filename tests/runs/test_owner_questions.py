"""A worker and runs that wait for answers: what wakes one for nothing leaves it as it was, owned by nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from riverrun.base.clock import ManualClock
from riverrun.events.kinds import RunInterrupted, RunResumed
from riverrun.log.store import RunFilter
from riverrun.runs.history import read_log
from riverrun.stores.memory import MemoryStore
from riverrun.stores.sqlite import SqliteStore
from tests.runs.plans import kinds, parallel, plan, until
from tests.runs.workers import Held, die, end_of, until_head, until_idle
from tests.runs.wrapped import WaitingStore

PATIENCE = 30.0  # seconds until something that must come is taken for lost


@pytest.fixture(params=["memory", "waiting", "sqlite"])
async def store(request, tmp_path):
    """A store of each manner of writing: at once, in a task of its own, on a disk."""
    kinds_of_store: dict[str, Callable[[], Any]] = {
        "memory": MemoryStore,
        "waiting": WaitingStore,
        "sqlite": lambda: SqliteStore(tmp_path / "runs.db"),
    }
    made = kinds_of_store[request.param]()
    yield made
    await made.close()


def asking(*questions):
    """Make a node that asks these one after another and writes the answers."""

    async def node(state, ctx):
        return {"log": [ctx.interrupt(question) for question in questions]}

    return node


async def parked_at(service, key, question, head=0):
    """Wait until a run is parked at a question, its log longer than `head`, and its worker has let go of it."""
    async with asyncio.timeout(PATIENCE):
        while True:
            row = await service.row(key)
            if row.status == "parked" and row.head > head:
                break
            await service.store.wait(key, row.head, 0.05)
        await until_idle(service)
    log = await read_log(service.store, key)
    assert isinstance(log[-1], RunInterrupted)
    assert question in {each.id for each in log[-1].questions}
    return log


NEEDLESS = {
    "an answer to what was answered": ("resume", {"answers": {"a:1?1": "again"}}),
    "an answer to what nobody asked": ("resume", {"answers": {"gone:7?1": "x"}}),
    "no answer": ("resume", {"answers": {}}),
}


@pytest.mark.parametrize("what", NEEDLESS)
async def test_a_parked_run_that_is_woken_for_nothing_is_parked_again(workers, store, what):
    service = await workers(store, {"g": plan(a=asking("1?", "2?"))})
    key = (await service.start("t", "g", {})).row.key
    await parked_at(service, key, "a:1?1")
    await service.resume(key, {"a:1?1": "one"})
    before = await parked_at(service, key, "a:1?2")
    kind, payload = NEEDLESS[what]
    await store.control(key, kind, payload)  # it came when the run had just parked: `resume` would refuse it by now
    service._look.set()
    after = await parked_at(service, key, "a:1?2", len(before))
    assert before == after[: len(before)]
    assert ["run.interrupted"] == kinds(after[len(before) :])
    assert before[-1].questions == after[-1].questions
    await service.resume(key, {"a:1?2": "two"})
    log = await end_of(service, key)
    assert [{"a:1?1": "one"}, {"a:1?2": "two"}] == [each.answers for each in log if isinstance(each, RunResumed)]
    told = [(await service.state(key, at)).get("log", []) for at in range(1, len(log) + 1)]
    assert sorted(told) == told
    assert ["one", "two"] == told[-1]
    assert 0 == service.statistics()["broken"]


async def test_a_run_that_was_taken_over_while_it_was_parked_is_parked_again(workers, tmp_path):
    clock = ManualClock()
    store = MemoryStore(clock)
    made = plan(a=asking("1?"))
    first = await workers(store, {"g": made}, clock=clock)
    key = (await first.start("t", "g", {})).row.key
    before = await parked_at(first, key, "a:1?1")
    await first.close()
    await store.control(key, "resume", {"answers": {"gone:7?1": "x"}})
    await store.claim("dies at once", graphs=frozenset({"g"}), limit=1, lease_seconds=30)
    clock.advance(31)
    second = await workers(store, {"g": made}, clock=clock)
    after = await parked_at(second, key, "a:1?1", len(before) + 1)
    assert ["run.taken_over", "run.interrupted"] == kinds(after[len(before) :])
    await second.resume(key, {"a:1?1": "one"})
    await end_of(second, key)
    assert ["one"] == (await second.state(key))["log"]


async def test_a_run_whose_answer_its_dead_owner_had_only_claimed_is_answered(workers):
    clock = ManualClock()
    store = MemoryStore(clock)
    made = plan(a=asking("1?"))
    first = await workers(store, {"g": made}, clock=clock)
    key = (await first.start("t", "g", {})).row.key
    await parked_at(first, key, "a:1?1")
    await first.close()
    await store.control(key, "resume", {"answers": {"a:1?1": "one"}})
    await store.claim("dies at once", graphs=frozenset({"g"}), limit=1, lease_seconds=30)
    clock.advance(31)
    second = await workers(store, {"g": made}, clock=clock)
    log = await end_of(second, key)
    assert 1 == kinds(log).count("run.interrupted")
    assert ["one"] == (await second.state(key))["log"]


async def test_a_fork_of_a_parked_run_that_is_woken_for_nothing_is_parked_again(workers, store):
    service = await workers(store, {"g": parallel(a=asking("a?"), b=asking("b?")).plan("g")})
    key = (await service.start("t", "g", {})).row.key
    before = await parked_at(service, key, "a:1?1")
    fork = (await service.fork(key)).row.key
    await store.control(fork, "resume", {"answers": {"gone:7?1": "x"}})
    service._look.set()
    after = await parked_at(service, fork, "a:1?1", len(before) + 1)
    assert ["run.forked", "run.interrupted"] == kinds(after[len(before) :])
    await service.resume(fork, {"a:1?1": "A", "b:1?1": "B"})
    await end_of(service, fork)
    assert ["A", "B"] == (await service.state(fork))["log"]
    assert "parked" == (await service.list("t", RunFilter(run=key.run)))[0].status


async def test_the_time_limit_of_a_fork_is_not_put_off_by_the_time_that_its_source_was_parked(workers):
    clock, held = ManualClock(), Held()
    store = MemoryStore(clock)
    made = plan(a=asking("1?"), b=held)
    first = await workers(store, {"g": made}, clock=clock)
    key = (await first.start("t", "g", {}, timeout=10.0)).row.key
    await parked_at(first, key, "a:1?1")
    clock.advance(3600)
    await first.resume(key, {"a:1?1": "one"})
    await held.began.wait()
    await first.close()
    second = await workers(store, {}, clock=clock)
    second.graphs["g"] = made  # it may fork runs of this graph, and was told to look for none
    fork = (await second.fork(key)).row.key
    await second.close()
    clock.advance(11)
    third = await workers(store, {"g": made}, clock=clock)
    log = await asyncio.wait_for(end_of(third, fork), PATIENCE)
    assert "run.timed_out" == log[-1].type


@pytest.mark.parametrize("kind", ["stop", "resume"])
async def test_what_was_asked_while_a_run_parked_is_heard(workers, store, kind):
    """It is in the inbox, and its owner parks the run before the next renewal brings it."""

    async def node(state, ctx):
        await store.control(key, kind, {"reason": "enough"} if kind == "stop" else {"answers": {"a:1?1": "one"}})
        return {"log": [ctx.interrupt("1?")]}

    service = await workers(store, {"g": plan(a=node)})
    held, service._leases._renew = service._leases._renew, lambda seconds: None
    key = (await service.start("t", "g", {})).row.key
    await asyncio.wait_for(until_head(service, key, 4), PATIENCE)
    assert ["node.interrupted", "run.interrupted"] == kinds(await read_log(store, key))[2:]
    service._leases._renew = held
    service._look.set()
    log = await asyncio.wait_for(end_of(service, key), PATIENCE)
    assert {"stop": "run.stopped", "resume": "run.completed"}[kind] == log[-1].type


async def test_a_worker_that_ends_while_it_asks_what_woke_a_run_leaves_it_to_the_next(workers):
    clock = ManualClock()
    store = MemoryStore(clock)
    made = plan(a=asking("1?"))
    first = await workers(store, {"g": made}, clock=clock)
    key = (await first.start("t", "g", {})).row.key
    before = await parked_at(first, key, "a:1?1")
    first._leases._renew = lambda seconds: None
    await store.control(key, "resume", {"answers": {}})
    first._look.set()
    await asyncio.wait_for(until(lambda: first.statistics()["running"]), PATIENCE)
    die(first)
    clock.advance(31)
    second = await workers(store, {"g": made}, clock=clock)
    after = await parked_at(second, key, "a:1?1", len(before) + 1)
    assert ["run.taken_over", "run.interrupted"] == kinds(after[len(before) :])
