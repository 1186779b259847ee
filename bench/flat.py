"""Does a node cost the same however many there are? The same work at several lengths, each set beside the middle one.

What a run costs that has a single node is taken off first: starting a run is a figure of its own, and here it would
hide in the shortest run what the longest one shows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from statistics import median

from bench.measure import Sample
from bench.rounds import seconds_each
from bench.scale import MIDDLE, name_of

_ALONE = 200  # runs of one node


async def flatness(
    named: Sequence[int], lengths: Sequence[int], least_nodes: int, run: Callable[[int], Awaitable[None]]
) -> Sample:
    """Measure one sample.

    Args:
        named: The lengths that the figure names.
        lengths: The lengths that are measured under these names.
        least_nodes: Short runs are repeated until each length has had this many nodes.
        run: Runs this many nodes.

    Returns:
        Per length what a node costs, as a multiple of the middle; and the middle, in microseconds.
    """
    alone = await _alone(run)
    costs = [(await _seconds(run, length, least_nodes) - alone) / (length - 1) for length in lengths]
    middle = median(costs)
    ratios = {name_of(name): cost / middle for name, cost in zip(named, costs, strict=True)}
    return {**ratios, MIDDLE: middle * 1e6}


async def _alone(run: Callable[[int], Awaitable[None]]) -> float:
    return median([await seconds_each(1, lambda: run(1)) for _ in range(_ALONE)])


async def _seconds(run: Callable[[int], Awaitable[None]], length: int, least_nodes: int) -> float:
    times = -(-least_nodes // length)  # rounded up
    return await seconds_each(times, lambda: run(length))
