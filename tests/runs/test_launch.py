"""From a claimed run to its driver, and the last event of one that cannot go on."""

from __future__ import annotations

import pytest

from riverrun.base.clock import ManualClock
from riverrun.base.errors import Fenced, NodeError, NotFound
from riverrun.events.kinds import NodeStarted, RunFailed, RunLost
from riverrun.log.store import RunKey
from riverrun.runs.history import History
from riverrun.runs.launch import Means, bury, make_driver, recall
from riverrun.runs.pool import Pool
from riverrun.runs.settings import RunSettings
from riverrun.stores.memory import MemoryStore
from tests.graph.play import RUN, run_started
from tests.runs.plans import plan

KEY = RunKey("t", RUN)


@pytest.fixture
def means():
    """A memory store under a clock that stands still."""
    clock = ManualClock()
    store = MemoryStore(clock)
    return Means(store=store, clock=clock, pool=Pool(1), settings=RunSettings(), history=History(store))


async def row_of(means):
    return (await means.store.create("t", run_started(), worker="w", lease_seconds=10)).row


def say(means, count):
    events = [NodeStarted(seq=seq, ts=1, run=RUN, node="a", exec=f"a:{seq}") for seq in range(2, count + 1)]
    means.store.append_now(KEY, 1, 1, events)


async def test_a_run_is_recalled_to_where_its_log_ends(means):
    row = await row_of(means)
    machine, started, _ = await recall(means, plan(a=lambda state: {}), row)
    assert (run_started(), 1) == (started, len(machine.events))
    driver, writer = make_driver(means, row, machine, started)
    assert driver.machine is machine
    await driver.run(started)
    assert "ended" == (await means.store.read(KEY, 0, 1)).status
    assert 0 == writer.statistics().items
    means.pool.close()


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (NodeError("E3009", "another graph", where="seq 2"), RunFailed, "another graph"),
        (NotFound("E3014", "no such graph here"), RunLost, "no such graph here"),
        (ZeroDivisionError("secret"), RunFailed, "ZeroDivisionError"),
    ],
    ids=["ours", "gone", "a defect"],
)
async def test_a_run_that_cannot_go_on_gets_its_last_event(means, error, kind, text):
    row = await row_of(means)
    say(means, 3)
    await bury(means, row, error)
    page = await means.store.read(KEY, 3, 10)
    (last,) = [record.event for record in page.records]
    assert (kind, "ended", 4) == (type(last), page.status, last.seq)
    assert text in (last.error.message if isinstance(last, RunFailed) else last.reason)
    assert "secret" not in str(last)
    await bury(means, row, error)
    assert 4 == (await means.store.read(KEY, 0, 1)).head


async def test_a_run_of_another_owner_is_not_ended(means):
    row = await row_of(means)
    means.clock.advance(60)
    await means.store.claim("other", graphs=frozenset({"sketch"}), limit=1, lease_seconds=10)
    with pytest.raises(Fenced):
        await bury(means, row, ZeroDivisionError())
