"""How a run is forked: the part of a log that another run begins with, so that it goes on from there.

A fork is a copy up to an event and then `run.forked`; what was unfinished there begins anew (`riverrun.graph.replay`).
Where a run had failed, stopped or timed out, the part that led to its end is left out: the fork tries that again.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from riverrun.base.errors import InputError
from riverrun.events.kinds import Event, NodeCompleted, NodeFailed, NodeRetrying, RunFailed, RunForked, RunStarted
from riverrun.graph.plan import Plan
from riverrun.graph.replay import place_of_last_signal


def fork(
    plan: Plan, source: Sequence[Event], started: RunStarted, *, at: int | None = None, limit: int | None = None
) -> list[Event]:
    """Make the log that a fork begins with.

    Args:
        plan: The graph of both runs.
        source: The log of the run that is forked, from seq 1; all of it where `at` is None.
        started: The first event of that log under the id, log id, thread and time of the fork.
        at: The last seq to copy; None: as far as the run can be gone on with.
        limit: Executions of nodes that the fork may make, counted from the beginning; None: as before.

    Returns:
        Its events, from seq 1; the last is `run.forked`.

    Raises:
        InputError: E2016, the log has no event `at`.
    """
    upto = end_of_work(plan, source) if at is None else at
    if not 1 <= upto <= len(source):
        raise InputError("E2016", f"the log goes from 1 to {len(source)}, there is no {upto} to fork it at")
    if source[upto - 1].terminal:
        upto = end_of_work(plan, source)
    copied = [replace(event, run=started.run) for event in source[1:upto]]
    if limit is not None and limit > started.limit:  # else what stands before would end it as it ended the other one
        started = replace(started, limit=limit)
    last = RunForked(seq=upto + 1, ts=started.ts, run=started.run, source=source[0].run, at=upto, limit=limit)
    return [started, *copied, last]


def end_of_work(plan: Plan, log: Sequence[Event]) -> int:
    """Give the last seq before what ended a run; of one that goes on or completed the last before its terminal event.

    Args:
        plan: The graph.
        log: All events, from seq 1.

    Returns:
        A seq, at least 1.
    """
    if not log[-1].terminal:
        return len(log)
    upto = place_of_last_signal(plan, log)
    last = log[-1]
    if upto == len(log):
        upto -= 1
    if isinstance(last, RunFailed):
        upto = _before_failure(log, last)
        while upto > 1 and _was_cut_off(plan, log[upto - 1]):
            upto -= 1
    return max(upto, 1)


def _before_failure(log: Sequence[Event], last: RunFailed) -> int:
    """Give how many events stand before the failure that the run ended by."""
    first = len(log) - 1
    for place in range(len(log) - 2, 0, -1):
        event = log[place]
        if isinstance(event, NodeRetrying):
            break
        if isinstance(event, NodeFailed) and not event.tolerated and event.error == last.error:
            first = place
    return first


def _was_cut_off(plan: Plan, event: Event) -> bool:
    """Say whether a node completed while its run was ending already, so that its routers were never asked."""
    return isinstance(event, NodeCompleted) and not event.ns and event.goto is None and event.node in plan.routers
