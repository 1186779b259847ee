"""The model says what a store should hold, in words of its own that agree with the rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import RiverrunError
from riverrun.events.codec import decode, encode
from riverrun.events.kinds import RunStarted
from riverrun.log.log import check_append, ending_of, status_after
from riverrun.log.store import RunKey
from riverrun.testing.store_model import ModelRun, make_events

KEY = RunKey("acme", "a" * 32)
KINDS = ["chunk", "odd", "interrupted", "resumed", "completed", "stopped"]


def model_run():
    return ModelRun(KEY, RunStarted(seq=1, ts=1, run=KEY.run, graph="g", log="abcdabcd"), 5)


@given(
    kinds=st.lists(st.sampled_from(KINDS), max_size=4), shifts=st.tuples(*[st.integers(-1, 1)] * 3), ended=st.booleans()
)
def test_the_model_and_the_rules_agree(kinds, shifts, ended):
    run = model_run()
    run.own("w", 9)
    if ended:
        run.take(make_events(KEY.run, 2, ["stopped"]), 6)
    epoch, head = run.epoch + shifts[0], run.head + shifts[1]
    events = make_events(KEY.run, head + 1 + shifts[2], kinds)
    try:
        check_append(run.epoch, run.head, run.status, epoch, head, events)
        code = ""
    except RiverrunError as error:
        code = error.code
    assert code == run.allows(epoch, head, events)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_taken_stands_as_the_rules_say(kind):
    run = model_run()
    run.own("w", 9)
    (event,) = make_events(KEY.run, 2, [kind])
    run.take([event], 7)
    ending = ending_of(event)
    assert (2, status_after(event), ending and ending.value) == (run.head, run.status, run.ending)
    assert event == decode(encode(event))


def test_a_lease_that_is_over_can_be_claimed_and_a_parked_run_cannot():
    run = model_run()
    assert run.claimable(0)
    run.own("w", 9)
    assert [False, True] == [run.claimable(8), run.claimable(9)]
    run.take(make_events(KEY.run, 2, ["interrupted"]), 6)
    assert not run.claimable(10)


def test_a_control_is_kept_once_per_key():
    run = model_run()
    first = run.control("stop", {"a": 1}, "k")
    assert [first, 2, 3] == [
        run.control("stop", {}, "k"),
        run.control("stop", {}, None).n,
        run.control("stop", {}, "l").n,
    ]
