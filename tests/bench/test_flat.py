"""Flatness is computed exactly from what a clock said; here the clock is the test's own."""

from __future__ import annotations

import pytest

from bench import rounds
from bench.flat import flatness
from bench.scale import CHAINS, FULL, LOOPS, MIDDLE, TINY, name_of


class Runs:
    """Runs that take as long as they are told, on a clock that only they move."""

    def __init__(self, start, per_node):
        self.now = 0.0
        self.lengths: list[int] = []
        self._start, self._per_node = start, per_node

    def clock(self):
        return self.now

    async def run(self, length):
        self.lengths.append(length)
        self.now += self._start + self._per_node(length) * length


@pytest.fixture
def runs_of(monkeypatch):
    """Make runs and put their clock in place of the machine's."""

    def make(start, per_node):
        runs = Runs(start, per_node)
        monkeypatch.setattr(rounds, "perf_counter", runs.clock)
        return runs

    return make


async def test_what_costs_the_same_at_every_length_is_flat_however_dear_the_start_of_a_run_is(runs_of):
    runs = runs_of(5.0, lambda length: 2.0)
    sample = await flatness((10, 100, 1000), (10, 100, 1000), 1000, runs.run)
    assert {"10": 1.0, "100": 1.0, "1,000": 1.0, MIDDLE: 2e6} == pytest.approx(dict(sample))


async def test_what_grows_with_the_length_shows_beside_the_middle(runs_of):
    runs = runs_of(1.0, lambda length: 1.0 + (length == 1000))
    sample = await flatness((10, 100, 1000), (10, 100, 1000), 1000, runs.run)
    assert [1.0, 1.0] == pytest.approx([sample["10"], sample["100"]])
    assert pytest.approx(2.0, rel=0.01) == sample["1,000"]


async def test_short_runs_are_repeated_until_every_length_has_as_many_nodes(runs_of):
    runs = runs_of(1.0, lambda length: 1.0)
    await flatness((10, 100, 1000), (10, 40, 1000), 100, runs.run)
    assert [10, 3, 1] == [runs.lengths.count(length) for length in (10, 40, 1000)]


async def test_lengths_are_told_under_the_names_of_the_figure(runs_of):
    runs = runs_of(1.0, lambda length: 1.0)
    sample = await flatness(CHAINS, TINY.chains, TINY.flat_nodes, runs.run)
    assert {"10", "100", "1,000", "10,000", MIDDLE} == set(sample)


def test_a_full_run_measures_the_lengths_that_are_named():
    assert (CHAINS, LOOPS) == (FULL.chains, FULL.loops)
    assert "100,000" == name_of(100_000)
