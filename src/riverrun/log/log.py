"""The rules of one log, which every store obeys by calling them: who may append what, and what it makes of the run.

It does not know where a log lives. Raising leaves everything as it was.
"""

from __future__ import annotations

from collections.abc import Sequence

from riverrun.base.errors import Busy, CursorError, Fenced, HeadMoved, InputError
from riverrun.events.ending import Ending
from riverrun.events.kinds import Event, RunForked, RunInterrupted, RunStarted, RunTakenOver, Terminal
from riverrun.log.store import Page, Status

WAKING = ("resume", "stop")  # the kinds of control for which a parked run goes on


def check_append(
    stored_epoch: int, stored_head: int, status: Status, epoch: int, expected_seq: int, events: Sequence[Event]
) -> None:
    """Refuse an append that would break L1, L5 or L6.

    Args:
        stored_epoch: The fencing number that the store holds.
        stored_head: The head that the store holds.
        status: The status that the store holds.
        epoch: The writer's fencing number.
        expected_seq: The head as the writer knows it.
        events: What it wants to append.

    Raises:
        Fenced: E4004, the epoch is not the stored one.
        InputError: E2009, the log has its terminal event.
        HeadMoved: E4005, the head is elsewhere, or the events do not continue it.
    """
    if epoch != stored_epoch:
        raise Fenced("E4004", f"epoch {epoch} is not the owner's: the run is at epoch {stored_epoch}")
    if status == "ended":
        raise InputError("E2009", "the log has its terminal event")
    if expected_seq != stored_head:
        raise HeadMoved("E4005", f"the head is {stored_head}, not {expected_seq}")
    # One chunk, or the end of a node and the beginning of the next: the hot path.
    if 0 < len(events) <= 2 and events[0].seq == stored_head + 1:
        first, last = events[0], events[-1]
        if first is last or (last.seq == stored_head + 2 and not first.terminal):
            return
    check_order(stored_head, events)
    if not events:
        raise HeadMoved("E4005", "there is nothing to append")


def check_order(head: int, events: Sequence[Event]) -> None:
    """Refuse events that do not continue a log, one after another, or go on after a terminal one.

    Args:
        head: seq of the event before them.
        events: Any number.

    Raises:
        HeadMoved: E4005, they do not.
    """
    last = len(events) - 1
    for index, event in enumerate(events):
        if event.seq != head + 1 + index:
            raise HeadMoved("E4005", f"event {event.seq} does not continue {head + index}")
        if event.terminal and index != last:
            raise HeadMoved("E4005", f"event {event.seq} is terminal, but others follow it")


def check_repeat(first: RunStarted, again: RunStarted) -> None:
    """Refuse a `create` that was seen before, by its key or by the id of its run, with another graph or input.

    Args:
        first: What the run was made with.
        again: What is asked for now.

    Raises:
        InputError: E2013, they differ.
    """
    if (first.graph, first.input) != (again.graph, again.input):
        raise InputError(
            "E2013", f"the key belongs to run {first.run} of graph {first.graph!r}, made with another input"
        )


def status_after(event: Event) -> Status:
    """Say what the status of a run is once its owner has made this event the last of its log."""
    if event.terminal:
        return "ended"
    return "parked" if isinstance(event, RunInterrupted) else "running"


def status_at_birth(started: RunStarted, prefix: Sequence[Event], *, owned: bool) -> Status:
    """Say what the status of a run is when it is made with these events, and refuse events that are no log.

    Args:
        started: Its first event.
        prefix: What comes with it.
        owned: Whether a worker claims it in the same commit.

    Returns:
        The status.

    Raises:
        HeadMoved: E4005, the events do not continue each other.
    """
    check_order(1, prefix)
    # A fork of a run that was parked waits for the same answers: who took it over or forked it has changed nothing.
    said = next((event for event in reversed(prefix) if not isinstance(event, RunForked | RunTakenOver)), started)
    status = status_after(said)
    if status == "ended" or owned:
        return "ended" if status == "ended" else "running"
    return "queued" if status == "running" else status


def wakes(kind: str) -> bool:
    """Say whether a control of this kind makes a parked run go on: it is then `queued`, for any worker to claim."""
    return kind in WAKING


def check_thread(thread: str | None, unfinished: str | None) -> None:
    """Refuse a run that may only be made while its thread is free.

    Args:
        thread: Of the new run.
        unfinished: Id of a run of that thread that has not ended, if there is one.

    Raises:
        Busy: E3018, there is one.
    """
    if unfinished is not None:
        raise Busy("E3018", f"thread {thread!r} has run {unfinished}, which has not ended")


def ending_of(event: Event) -> Ending | None:
    """Say how the run ended, if this is its terminal event."""
    return Ending(event.type.removeprefix("run.")) if isinstance(event, Terminal) else None


def check_place(after: int, head: int, floor: int) -> None:
    """Refuse a place that the log does not have (L11).

    Args:
        after: seq of the last event that a reader has.
        head: seq of the last committed event.
        floor: seq before the first event that retention left.

    Raises:
        CursorError: E2006 beyond the head, E4007 below the floor, E2007 negative.
    """
    if after < 0:
        raise CursorError("E2007", f"a seq cannot be negative: {after}")
    if after > head:
        what = f"the log ends at {head}, there is nothing after {after} to continue"
        raise CursorError("E2006", what, head=head, floor=floor)
    if after < floor:
        what = f"the log begins after {floor}; what followed {after} was removed"
        raise CursorError("E4007", what, head=head, floor=floor)


def settle(tail: Page, epoch: int, expected_seq: int, count: int) -> bool:
    """Decide what became of an append whose outcome is unknown (L7), from a read made after it.

    Under the writer's own epoch nobody else can have written, so a moved head is the writer's own work.

    Args:
        tail: A page read after the attempt.
        epoch: The writer's fencing number.
        expected_seq: The head it expected.
        count: How many events it sent.

    Returns:
        True when the events are in the log, False when they are not and may be sent again.

    Raises:
        Fenced: E4004, another owner has the run.
        HeadMoved: E4005, the head is at neither place.
    """
    if tail.epoch != epoch:
        raise Fenced("E4004", f"epoch {epoch} is not the owner's: the run is at epoch {tail.epoch}")
    if tail.head == expected_seq:
        return False
    if tail.head == expected_seq + count:
        return True
    raise HeadMoved("E4005", f"the head is {tail.head}, neither {expected_seq} nor {expected_seq + count}")
