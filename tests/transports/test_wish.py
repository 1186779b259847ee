"""How a reader is written to follows from what it asked for and how it keeps up, and from nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from riverrun.transports.wish import LONGEST_PAUSE, SLOW_SECONDS, Stride, Wish

WRITES = st.lists(st.tuples(st.floats(0, 100), st.integers(0, 10_000)))


@given(WRITES)
def test_who_asked_for_nothing_gets_every_event_at_once_however_slow_it_is(writes):
    stride = Stride(Wish())
    for seconds, behind in writes:
        stride.wrote(seconds, behind)
        assert (False, 0.0) == (stride.joins, stride.pause)


@given(WRITES, st.floats(0, 10))
def test_who_named_an_interval_has_it_whatever_happens(writes, interval):
    stride = Stride(Wish(interval=interval, adaptive=True))
    for seconds, behind in writes:
        stride.wrote(seconds, behind)
        assert (True, interval) == (stride.joins, stride.pause)


@given(WRITES)
def test_chunks_are_joined_exactly_while_a_reader_does_not_keep_up(writes):
    stride = Stride(Wish(adaptive=True))
    assert not stride.joins
    for seconds, behind in writes:
        stride.wrote(seconds, behind)
        assert (seconds >= SLOW_SECONDS or behind > 0) == stride.joins
        assert 0 <= stride.pause <= LONGEST_PAUSE
        assert (seconds >= SLOW_SECONDS) == (stride.pause > 0)
