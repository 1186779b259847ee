"""What is weighed is what is held: more for more, nothing for what was let go."""

from __future__ import annotations

import tracemalloc

from bench.weight import traced


def test_what_is_held_is_counted_and_what_was_let_go_is_not():
    with traced() as weight:
        kept = bytearray(1_000_000)
        with_it = weight()
        del kept
        without = weight()
    assert 990_000 <= with_it - without <= 1_010_000


def test_what_only_a_cycle_holds_is_not_counted():
    with traced() as weight:
        cycle: list[object] = [bytearray(1_000_000)]
        cycle.append(cycle)
        del cycle
        assert weight() < 100_000


def test_tracing_ends_with_the_block():
    with traced():
        assert tracemalloc.is_tracing()
    assert not tracemalloc.is_tracing()
