"""When a producer must wait: at the high mark of items or bytes, until both are at half."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from riverrun.log.limits import Gauge, Limits, Statistics


def test_a_producer_waits_at_either_high_mark_and_goes_on_at_half_of_both():
    gauge = Gauge(Limits(items=4, size_bytes=100))
    assert (False, True) == (gauge.full, gauge.low)
    gauge.add(1, 100)
    assert (True, False) == (gauge.full, gauge.low)
    gauge.remove(0, 49)
    assert (False, False) == (gauge.full, gauge.low)
    gauge.remove(0, 1)
    assert (False, True) == (gauge.full, gauge.low)
    gauge.add(3, 0)
    assert (True, False) == (gauge.full, gauge.low)


def test_the_default_is_ten_thousand_events_or_sixteen_megabytes():
    assert (10_000, 16 * 1024 * 1024) == Limits()


@given(steps=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 50)), max_size=30), waits=st.integers(0, 3))
def test_statistics_tell_what_is_there_and_what_was_there_at_most(steps, waits):
    gauge = Gauge(Limits())
    for items, size in steps:
        gauge.add(items, size)
    for items, size in steps[: len(steps) // 2]:
        gauge.remove(items, size)
    gauge.waits += waits
    left = steps[len(steps) // 2 :]
    wanted = (
        *(sum(items for items, _ in left), sum(size for _, size in left)),
        *(sum(items for items, _ in steps), sum(size for _, size in steps), waits),
    )
    assert Statistics(*wanted) == gauge.statistics()
