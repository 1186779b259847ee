"""Leases: the gate shuts at the deadline, controls come once and in order, what is lost is told, closing gives back."""

from __future__ import annotations

import asyncio
import threading

import pytest

from riverrun.base.clock import ManualClock
from riverrun.base.errors import StoreError
from riverrun.log.store import RunFilter, RunKey
from riverrun.runs.lease import LeaseKeeper
from riverrun.stores.memory import MemoryStore
from tests.graph.play import RUN, run_started
from tests.runs.plans import until

KEY = RunKey("t", RUN)
LEASE = 10.0


class CountingStore(MemoryStore):
    """A memory store whose renewals can be waited for, held up, and made to fail."""

    def __init__(self, clock):
        super().__init__(clock)
        self.renewals: list[float] = []
        self.renewed = threading.Condition()
        self.go = threading.Event()
        self.go.set()
        self.failing = False
        self.failure: Exception = StoreError("E4002", "the disk is gone")

    def renew(self, worker, held, lease_seconds):
        """Count, wait, fail or renew."""
        assert self.go.wait(10)
        with self.renewed:
            self.renewals.append(lease_seconds)
            self.renewed.notify_all()
        if self.failing:
            raise self.failure
        return super().renew(worker, held, lease_seconds)

    async def until_renewed(self, count):
        """Wait until there were so many renewals."""

        def wait():
            with self.renewed:
                return self.renewed.wait_for(lambda: len(self.renewals) >= count, 10)

        assert await asyncio.to_thread(wait)
        await asyncio.sleep(0.002)  # what the renewal found is told on the loop


class Holding:
    """A keeper that holds one run."""

    def __init__(self):
        self.clock = ManualClock()
        self.store = CountingStore(self.clock)
        self.keeper = LeaseKeeper(self.store, "w", self.clock, LEASE)
        self.asked: list[tuple[int, str]] = []
        self.lost = asyncio.Event()

    async def open(self, *, thread=True):
        """Create, claim and hold."""
        deadline = self.keeper.new_deadline()
        created = await self.store.create("t", run_started(), worker="w", lease_seconds=LEASE)
        if thread:
            self.keeper.open()
            self.keeper.open()
        self.gate = self.keeper.hold(
            KEY,
            created.row.epoch,
            deadline,
            self.lost.set,
            lambda control: self.asked.append((control.n, control.payload["reason"])),
        )
        return self


@pytest.fixture
async def holding():
    """A keeper with its thread; closed afterwards."""
    made = await Holding().open()
    yield made
    await made.keeper.close()


async def test_the_gate_is_open_while_the_lease_is_good_and_shut_past_the_deadline():
    made = await Holding().open(thread=False)
    assert made.gate() is None
    made.clock.advance(LEASE * 0.89)
    assert made.gate() is None
    made.clock.advance(LEASE * 0.02)
    future = made.gate()
    assert future is not None
    assert not future.done()
    future.cancel()


async def test_a_deadline_counts_from_before_the_claim():
    made = Holding()
    deadline = made.keeper.new_deadline()
    made.clock.advance(LEASE)  # the store took that long to answer
    gate = made.keeper.hold(KEY, 1, deadline, lambda: None, lambda control: None)
    waiting = gate()
    assert waiting is not None
    waiting.cancel()


async def test_a_shut_gate_opens_when_the_lease_is_confirmed(holding):
    holding.clock.advance(LEASE)
    future = holding.gate()
    assert future is not None
    await future
    assert holding.gate() is None
    row = (await holding.store.list("t", RunFilter()))[0]
    assert holding.clock.now_ms() + LEASE * 1000 == row.lease_until_ms


@pytest.mark.parametrize("failure", [StoreError("E4002", "the disk is gone"), ZeroDivisionError()], ids=str)
async def test_a_gate_stays_shut_while_the_store_does_not_answer(holding, failure):
    holding.store.failing, holding.store.failure = True, failure
    holding.clock.advance(LEASE)
    future = holding.gate()
    await holding.store.until_renewed(len(holding.store.renewals) + 1)
    assert not future.done()
    holding.store.failing = False
    holding.keeper.look_now()
    await future


async def test_several_nodes_wait_at_one_gate(holding):
    holding.store.go.clear()
    holding.clock.advance(LEASE)
    futures = [holding.gate() for _ in range(5)]
    futures[2].cancel()
    holding.store.go.set()
    await asyncio.wait(futures)
    assert [False, False, True, False, False] == [future.cancelled() for future in futures]


async def test_controls_are_told_once_and_in_order(holding):
    for number in range(3):
        await holding.store.control(KEY, "stop", {"reason": f"{number}"})
    holding.keeper.look_now()
    await until(lambda: len(holding.asked) == 3)
    for _ in range(3):
        count = len(holding.store.renewals)
        holding.keeper.look_now()
        await holding.store.until_renewed(count + 1)
    await holding.store.control(KEY, "stop", {"reason": "last"})
    holding.keeper.look_now()
    await until(lambda: len(holding.asked) == 4)
    assert [(1, "0"), (2, "1"), (3, "2"), (4, "last")] == holding.asked


async def test_a_run_that_another_worker_took_is_told_once(holding):
    holding.clock.advance(LEASE * 2)
    await holding.store.claim("other", graphs=frozenset({"sketch"}), limit=1, lease_seconds=LEASE)
    holding.keeper.look_now()
    await holding.lost.wait()
    holding.lost.clear()
    count = len(holding.store.renewals)
    holding.keeper.look_now()
    await asyncio.sleep(0.005)
    assert (count, False) == (len(holding.store.renewals), holding.lost.is_set()), "nothing is held any more"


async def test_a_run_that_was_claimed_again_by_the_same_worker_is_kept(holding):
    old = holding.lost
    holding.clock.advance(LEASE * 2)
    row = (await holding.store.claim("w", graphs=frozenset({"sketch"}), limit=1, lease_seconds=LEASE))[0]
    lost = asyncio.Event()
    holding.keeper.hold(KEY, row.epoch, holding.keeper.new_deadline(), lost.set, lambda control: None)
    holding.keeper.drop(KEY, row.epoch - 1)
    count = len(holding.store.renewals)
    holding.keeper.look_now()
    await holding.store.until_renewed(count + 1)
    assert (False, False) == (old.is_set(), lost.is_set())


async def test_dropping_what_is_not_held_is_harmless(holding):
    holding.keeper.drop(RunKey("t", "f" * 32), 1)


async def test_closing_ends_the_leases_at_once_also_while_a_renewal_is_under_way():
    made = await Holding().open()
    made.store.go.clear()
    made.keeper.look_now()
    await asyncio.sleep(0.005)
    closing = asyncio.create_task(made.keeper.close())
    await asyncio.sleep(0.005)
    made.store.go.set()
    await closing
    assert 0.0 == made.store.renewals[-1]
    rows = await made.store.claim("next", graphs=frozenset({"sketch"}), limit=1, lease_seconds=LEASE)
    assert [2] == [row.epoch for row in rows]
    await made.keeper.close()


async def test_a_keeper_can_be_opened_again():
    made = await Holding().open()
    await made.keeper.close()
    made.keeper.open()
    count = len(made.store.renewals)
    made.keeper.look_now()
    await made.store.until_renewed(count + 1)
    await made.keeper.close()


async def test_closing_what_was_never_opened_is_harmless():
    await Holding().keeper.close()


async def test_what_is_in_the_inbox_is_heard_before_the_wait_for_it_is_over(holding):
    for reason in ("one", "two"):
        await holding.store.control(KEY, "stop", {"reason": reason})
    await asyncio.wait_for(holding.keeper.heard(KEY, 1), 30)
    assert [(1, "one"), (2, "two")] == holding.asked
    await asyncio.wait_for(holding.keeper.heard(KEY, 1), 30)  # also when there is nothing


async def test_nothing_is_heard_for_an_owner_whose_epoch_is_over(holding):
    count = len(holding.store.renewals)
    future = holding.keeper.heard(KEY, 7)
    await holding.store.until_renewed(count + 1)
    assert not future.done()
