"""The cases of checkpoints find a store that keeps the wrong one, and ask nothing of one that keeps none."""

from __future__ import annotations

import asyncio

import pytest

from riverrun.base.clock import ManualClock
from riverrun.log.store import Kept
from riverrun.stores.memory import MemoryStore
from riverrun.testing.layer import StoreLayer
from riverrun.testing.store_checkpoint_cases import CHECKPOINT_CASES
from tests.runs.wrapped import WaitingStore


async def _awaited(work):
    await work


def broken_cases(make_store):
    """Name the cases that a store does not pass."""
    broken = []
    for case in CHECKPOINT_CASES:
        clock = ManualClock()
        try:
            asyncio.run(_awaited(case(make_store(clock), clock)))
        except AssertionError:
            broken.append(case.__name__)
    return broken


class Eager(MemoryStore):
    """Keeps everything that it is given."""

    asks = ("epoch", "head", "later", "tenant")

    async def keep(self, key, epoch, seq, body):
        run = self._runs.get(key)
        if run is None:
            return "tenant" not in self.asks
        if "epoch" in self.asks and run.epoch != epoch:
            return False
        if "head" in self.asks and run.head < seq:
            return False
        if "later" in self.asks and run.kept is not None and run.kept.seq >= seq:
            return False
        run.kept = Kept(seq, run.started.log, body)
        return True


def without(what):
    """A store that does not look at one thing."""
    return type(f"Without{what}", (Eager,), {"asks": tuple(one for one in Eager.asks if one != what)})


def test_a_good_store_passes_behind_a_layer_too():
    assert [] == broken_cases(MemoryStore) == broken_cases(lambda clock: StoreLayer(MemoryStore(clock)))


@pytest.mark.parametrize(
    ("what", "case"),
    [
        ("epoch", "a_zombie_keeps_no_checkpoint"),
        ("head", "a_checkpoint_waits_for_its_events"),
        ("later", "a_checkpoint_is_given_back_as_it_is"),
        ("tenant", "a_checkpoint_has_one_tenant"),
    ],
)
def test_a_store_that_does_not_look_is_found(what, case):
    assert case in broken_cases(without(what))


def test_a_store_that_forgets_nothing_is_found():
    class Faithful(Eager):
        def append_now(self, key, epoch, expected_seq, events, *, controls_seen=None):
            kept = self._runs[key].kept
            head = super().append_now(key, epoch, expected_seq, events, controls_seen=controls_seen)
            self._runs[key].kept = kept
            return head

    assert ["a_checkpoint_ends_with_its_run"] == broken_cases(Faithful)


def test_a_store_without_checkpoints_is_not_asked():
    assert [] == broken_cases(WaitingStore)
