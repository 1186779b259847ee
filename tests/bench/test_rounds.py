"""What is done several times is told as what it took each time."""

from __future__ import annotations

import pytest

from bench import rounds
from bench.rounds import seconds_each


@pytest.mark.parametrize("times", [1, 4])
async def test_the_time_is_that_of_one_run_on_average(monkeypatch, times):
    now = 10.0
    took = iter([1.0, 2.0, 3.0, 6.0])

    async def run():
        nonlocal now
        now += next(took)

    monkeypatch.setattr(rounds, "perf_counter", lambda: now)
    assert {1: 1.0, 4: 3.0}[times] == await seconds_each(times, run)
