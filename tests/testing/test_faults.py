"""A planned fault hits the call that it is planned for, before or after the effect, and no other."""

from __future__ import annotations

import asyncio

import pytest

from riverrun.base.errors import StoreError
from riverrun.log.store import Held, RunKey
from riverrun.stores.memory import MemoryStore
from riverrun.testing.faults import Fault, FaultyStore, NoFault, NthFault
from riverrun.testing.store_model import make_events
from riverrun.testing.stores import check_store
from riverrun.testing.virtual import VirtualClock, run_virtually
from tests.graph.play import RUN, run_started

KEY = RunKey("t", RUN)
LEASE = 10.0


async def owned(plan):
    """A store with one run, claimed; the plan counts from after that."""
    inner = MemoryStore(VirtualClock(asyncio.get_running_loop()))
    await inner.create("t", run_started(), worker="w", lease_seconds=LEASE)
    return inner, FaultyStore(inner, plan)


async def append(store, head):
    """Append one event after `head`."""
    return await store.append(KEY, 1, head, make_events(RUN, head + 1, ["chunk"]), LEASE)


def test_a_store_without_faults_obeys_the_laws():
    check_store(lambda clock: FaultyStore(MemoryStore(clock), NoFault()))


@pytest.mark.parametrize(("kind", "head"), [("before", 2), ("after", 3)])
def test_the_second_append_fails_before_or_after_its_effect(kind, head):
    async def body():
        inner, store = await owned(NthFault(2, Fault(kind), "append"))
        assert 2 == await append(store, 1)
        await store.read(KEY, 0, 9)
        with pytest.raises(StoreError, match="E4002"):
            await append(store, 2)
        assert head == (await inner.read(KEY, 0, 0)).head
        assert head + 1 == await append(store, head)
        assert 1 == store.injected

    run_virtually(body())


def test_a_call_that_hangs_has_its_effect_later():
    async def body():
        inner, store = await owned(NthFault(1, Fault("hang", 30.0)))
        hanging = asyncio.create_task(append(store, 1))
        await asyncio.sleep(29)
        assert 1 == (await inner.read(KEY, 0, 0)).head
        assert 2 == await hanging
        assert 30 == asyncio.get_running_loop().time()

    run_virtually(body())


@pytest.mark.parametrize(("kind", "renewed"), [("before", False), ("after", True), ("hang", True)])
def test_a_renewal_fails_before_or_after_its_effect_or_passes(kind, renewed):
    async def body():
        inner, store = await owned(NthFault(1, Fault(kind)))
        await asyncio.sleep(5)
        try:
            store.renew("w", [Held(KEY, 1, 0)], LEASE)
        except StoreError:
            assert kind != "hang"
        else:
            assert kind == "hang"
        store.renew("w", [], LEASE)
        await asyncio.sleep(6)
        claimed = await inner.claim("v", graphs=frozenset({"sketch"}), limit=1, lease_seconds=LEASE)
        assert renewed is not bool(claimed)

    run_virtually(body())


@pytest.mark.parametrize(("kind", "seconds"), [("before", 0), ("after", 20), ("hang", 4), ("twice", 1)])
def test_a_hint_is_early_lost_or_late(kind, seconds):
    async def body():
        _, store = await owned(NthFault(1, Fault(kind, 3.0)))
        waiting = asyncio.create_task(store.wait(KEY, 1, 20))
        await asyncio.sleep(1)
        await append(store.inner, 1)
        await waiting
        return asyncio.get_running_loop().time()

    assert max(seconds, 1) == run_virtually(body())


def test_an_append_that_arrives_twice_is_there_once():
    async def body():
        inner, store = await owned(NthFault(1, Fault("twice"), "append"))
        assert 2 == await append(store, 1)
        assert (2, 1) == ((await inner.read(KEY, 0, 0)).head, store.injected)

    run_virtually(body())


def test_any_other_call_passes_once():
    async def body():
        inner, store = await owned(NthFault(1, Fault("twice")))
        assert 1 == (await store.control(KEY, "stop", {})).n
        assert 2 == (await inner.control(KEY, "stop", {})).n

    run_virtually(body())


def test_a_plan_says_what_it_hit():
    async def body(plan):
        _, store = await owned(plan)
        await store.read(KEY, 0, 1)
        try:
            await append(store, 1)
        except StoreError:
            return plan.hit
        return plan.hit

    assert "append" == run_virtually(body(NthFault(2, Fault("after"))))
    assert run_virtually(body(NthFault(3, Fault("after")))) is None
    assert run_virtually(body(NthFault(1, Fault("after"), "sweep"))) is None
