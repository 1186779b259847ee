"""A seed is a test: the same seed gives the same history, and what its faults break is told."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from riverrun.events.codec import decode
from riverrun.events.kinds import RunInterrupted
from riverrun.log import log
from riverrun.stores import memory
from riverrun.testing.history import to_lines
from riverrun.testing.layer import Call
from riverrun.testing.simulation import Chaos, simulate
from riverrun.testing.virtual import run_virtually
from tests.faults.seeds import quiet_logs

SEEDS = range(12)


@pytest.fixture(autouse=True)
def quiet():
    """Warnings of a store that was made to fail are no news here."""
    with quiet_logs():
        yield


def test_a_seed_is_the_same_each_time():
    for seed in SEEDS:
        assert to_lines(simulate(seed).history) == to_lines(simulate(seed).history)


def test_seeds_differ_and_each_comes_to_a_good_end():
    outcomes = [simulate(seed) for seed in SEEDS]
    assert [] == [problem for outcome in outcomes for problem in outcome.problems]
    assert len(SEEDS) == len({to_lines(outcome.history) for outcome in outcomes})
    assert len({ending for outcome in outcomes for ending in outcome.endings}) > 1


def test_worlds_ask_fork_and_begin_with_checkpoints():
    outcomes = [simulate(seed) for seed in range(40)]
    lines = [bytes(line) for outcome in outcomes for entry in outcome.history for line in entry.lines]
    assert any(b'"type":"run.resumed"' in line for line in lines)
    assert any(b'"type":"run.forked"' in line for line in lines)
    assert any(b'"ns":["n' in line for line in lines), "graphs in graphs"
    assert sum(outcome.checkpoints for outcome in outcomes) > 3


def test_in_some_worlds_a_parked_run_is_woken_for_nothing():
    for seed in range(300):
        events = [decode(bytes(line)) for entry in simulate(seed).history for line in entry.lines]
        parked = {(event.run, event.seq) for event in events if isinstance(event, RunInterrupted)}
        if any((run, seq + 1) in parked for run, seq in parked):
            return
    pytest.fail("no run was parked twice in a row")


def test_calls_fail_in_every_way_until_it_ceases():
    async def body():
        chaos = Chaos(Random(1), asyncio.get_running_loop(), 0.5)
        call = Call("append", (), {})
        seen = [chaos.fault_for(call) for _ in range(200)]
        chaos.go_out(5)
        out = [chaos.fault_for(call) for _ in range(20)]
        waits = chaos.fault_for(Call("wait", (), {}))
        await asyncio.sleep(5)
        after = [chaos.fault_for(call) for _ in range(50)]
        chaos.cease()
        assert {"before", "after", "hang", "twice", None} == {fault and fault.kind for fault in seen}
        assert {"before"} == {fault and fault.kind for fault in out}
        assert waits is None
        assert None in after
        assert {None} == {chaos.fault_for(call) for _ in range(50)}

    run_virtually(body())


def test_a_store_that_forgets_to_fence_is_found_out(monkeypatch):
    def without_epochs(stored_epoch, stored_head, status, epoch, expected_seq, events):
        log.check_append(stored_epoch, stored_head, status, stored_epoch, expected_seq, events)

    monkeypatch.setattr(memory, "check_append", without_epochs)
    assert any(simulate(seed).problems for seed in range(100))
