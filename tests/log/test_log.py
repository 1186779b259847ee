"""The rules that every store calls: who may append what, and what an unknown outcome was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import Busy, CursorError, Fenced, HeadMoved, InputError, RiverrunError
from riverrun.events.ending import Ending
from riverrun.events.kinds import (
    ErrorInfo,
    NodeChunk,
    RunCompleted,
    RunFailed,
    RunForked,
    RunInterrupted,
    RunLost,
    RunResumed,
    RunStarted,
    RunStopped,
    RunTakenOver,
    RunTimedOut,
    Unknown,
)
from riverrun.log.log import (
    check_append,
    check_order,
    check_place,
    check_repeat,
    check_thread,
    ending_of,
    settle,
    status_after,
    status_at_birth,
    wakes,
)
from riverrun.log.store import Page

RUN = "a" * 32


def chunk(seq):
    return NodeChunk(seq=seq, ts=1, run=RUN, node="n", exec="n:1", message="m", value="x")


def done(seq):
    return RunCompleted(seq=seq, ts=1, run=RUN)


def page(head, epoch):
    return Page([], head, epoch, "running", "abcdabcd", 0)


# --- append ---


def test_the_owner_appends_at_the_head():
    check_append(2, 7, "running", 2, 7, [chunk(8), chunk(9), done(10)])


@pytest.mark.parametrize("epoch", [0, 1, 3])
def test_any_other_epoch_is_fenced_before_all_else(epoch):
    with pytest.raises(Fenced, match="E4004"):
        check_append(2, 7, "ended", epoch, 99, [])


def test_nothing_follows_the_terminal_event():
    with pytest.raises(InputError, match="E2009"):
        check_append(2, 7, "ended", 2, 7, [chunk(8)])


@pytest.mark.parametrize(
    ("expected_seq", "events"),
    [
        (6, [chunk(7)]),
        (8, [chunk(9)]),
        (7, []),
        (7, [chunk(7)]),
        (7, [chunk(9)]),
        (7, [chunk(8), chunk(10)]),
        (7, [done(8), chunk(9)]),
        (7, [done(8), done(9)]),
    ],
)
def test_what_does_not_continue_the_log_is_refused(expected_seq, events):
    with pytest.raises(HeadMoved, match="E4005"):
        check_append(2, 7, "running", 2, expected_seq, events)


@given(head=st.integers(1, 50), epoch=st.integers(1, 5), sizes=st.lists(st.integers(1, 4), max_size=10))
def test_appends_that_are_allowed_make_a_log_without_a_hole(head, epoch, sizes):
    seqs = list(range(1, head + 1))
    for size in sizes:
        events = [chunk(seqs[-1] + 1 + index) for index in range(size)]
        check_append(epoch, seqs[-1], "running", epoch, seqs[-1], events)
        with pytest.raises(HeadMoved):
            check_append(epoch, seqs[-1] + size, "running", epoch, seqs[-1], events)
        seqs += [event.seq for event in events]
    assert list(range(1, len(seqs) + 1)) == seqs


# --- what an event makes of its run ---


@pytest.mark.parametrize(
    ("event", "status", "ending"),
    [
        (chunk(2), "running", None),
        (RunResumed(seq=2, ts=1, run=RUN), "running", None),
        (RunTakenOver(seq=2, ts=1, run=RUN, epoch=2), "running", None),
        (Unknown(seq=2, ts=1, run=RUN, kind="run.dreamt"), "running", None),
        (RunInterrupted(seq=2, ts=1, run=RUN), "parked", None),
        (done(2), "ended", Ending.COMPLETED),
        (RunFailed(seq=2, ts=1, run=RUN, error=ErrorInfo(code="E3001", message="x")), "ended", Ending.FAILED),
        (RunStopped(seq=2, ts=1, run=RUN), "ended", Ending.STOPPED),
        (RunTimedOut(seq=2, ts=1, run=RUN), "ended", Ending.TIMED_OUT),
        (RunLost(seq=2, ts=1, run=RUN), "ended", Ending.LOST),
    ],
)
def test_the_last_event_says_how_a_run_stands(event, status, ending):
    assert (status, ending) == (status_after(event), ending_of(event))


# --- create again ---


def test_the_same_request_is_no_error_whatever_its_id():
    first = RunStarted(seq=1, ts=1, run=RUN, graph="g", log="abcdabcd", input={"x": [1]})
    check_repeat(first, RunStarted(seq=1, ts=9, run="b" * 32, graph="g", log="ffffffff", input={"x": [1]}))


@pytest.mark.parametrize(("graph", "value"), [("h", 1), ("g", 2)])
def test_a_key_used_for_another_request_is_refused(graph, value):
    first = RunStarted(seq=1, ts=1, run=RUN, graph="g", log="abcdabcd", input={"x": 1})
    with pytest.raises(InputError, match="E2013"):
        check_repeat(first, RunStarted(seq=1, ts=1, run=RUN, graph=graph, log="abcdabcd", input={"x": value}))


# --- places ---


@given(after=st.integers(-3, 30), floor=st.integers(0, 10), length=st.integers(0, 10))
def test_a_place_is_taken_exactly_when_the_log_has_it(after, floor, length):
    head = floor + length
    code = "E2007" if after < 0 else "E2006" if after > head else "E4007" if after < floor else ""
    try:
        check_place(after, head, floor)
        outcome = ""
    except CursorError as error:
        outcome = error.code
    assert code == outcome


# --- unknown outcomes ---


@given(
    epoch=st.integers(1, 3),
    other=st.integers(1, 3),
    expected=st.integers(0, 5),
    count=st.integers(1, 3),
    head=st.integers(0, 9),
)
def test_an_unknown_outcome_is_settled_by_the_tail_or_not_at_all(epoch, other, expected, count, head):
    wanted = "E4004" if other != epoch else {expected: False, expected + count: True}.get(head, "E4005")
    try:
        outcome: object = settle(page(head, other), epoch, expected, count)
    except RiverrunError as error:
        outcome = error.code
    assert wanted == outcome


# --- birth, threads, controls ---


@pytest.mark.parametrize(
    ("last", "free", "owned"),
    [
        (None, "queued", "running"),
        (chunk(2), "queued", "running"),
        (RunInterrupted(seq=2, ts=1, run=RUN), "parked", "running"),
        (done(2), "ended", "ended"),
    ],
)
def test_the_last_event_says_what_a_new_run_is_unless_somebody_owns_it(last, free, owned):
    started = RunStarted(seq=1, ts=1, run=RUN, graph="g", log="abcdabcd")
    prefix = [] if last is None else [last]
    assert [free, owned] == [status_at_birth(started, prefix, owned=one) for one in (False, True)]


@pytest.mark.parametrize(
    ("last", "free"),
    [(RunInterrupted(seq=2, ts=1, run=RUN), "parked"), (chunk(2), "queued")],
    ids=["parked", "went on"],
)
def test_a_fork_is_parked_if_what_it_is_a_copy_of_was(last, free):
    started = RunStarted(seq=1, ts=1, run=RUN, graph="g", log="abcdabcd")
    forks = [RunForked(seq=seq, ts=2, run=RUN, source="0", at=2) for seq in (3, 4)]
    for prefix in ([last, forks[0]], [last, *forks]):
        assert [free, "running"] == [status_at_birth(started, prefix, owned=one) for one in (False, True)]


@pytest.mark.parametrize("events", [[chunk(3)], [chunk(2), chunk(4)], [chunk(1)], [done(2), chunk(3)]])
def test_events_that_are_no_log_make_no_run(events):
    started = RunStarted(seq=1, ts=1, run=RUN, graph="g", log="abcdabcd")
    with pytest.raises(HeadMoved, match="E4005"):
        status_at_birth(started, events, owned=False)
    with pytest.raises(HeadMoved, match="E4005"):
        check_order(1, events)


def test_nothing_continues_every_log():
    check_order(7, [])


def test_a_thread_that_is_busy_names_the_run():
    check_thread("t", None)
    with pytest.raises(Busy, match=rf"E3018.*'t'.*{RUN}") as caught:
        check_thread("t", RUN)
    assert caught.value.temporary


def test_only_what_asks_a_run_to_go_on_or_to_end_wakes_it():
    assert [True, True, False, False] == [wakes(kind) for kind in ("resume", "stop", "note", "")]
