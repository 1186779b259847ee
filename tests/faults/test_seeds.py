"""Thousands of worlds in virtual time, each with its own graphs and troubles: all runs end, no reader is misled."""

from __future__ import annotations

import pytest

from tests.faults.seeds import chunks, keep, kept_seeds, live, quiet_logs


def live_through(seeds, tally):
    """Live through seeds; say which of them found what."""
    found = []
    with quiet_logs():
        for seed in seeds:
            outcome, problems = live(seed)
            if outcome is not None:
                tally.add(outcome.tally)
            if problems:
                keep(seed, problems[0])
                found.append(f"seed {seed}: {'; '.join(problems[:3])}")
    assert [] == found, f"keep these seeds in tests/faults/seeds.txt; {len(found)} of {len(seeds)} found something"


def test_a_few_seeds(tally):
    live_through(range(50), tally)


def test_the_seeds_that_once_found_something(tally):
    live_through(kept_seeds(), tally)


@pytest.mark.slow
@pytest.mark.timeout(900)  # 250 worlds beside other work, as in `make soak`
@pytest.mark.parametrize("seeds", chunks(), ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_many_seeds(seeds, tally):
    live_through(seeds, tally)
