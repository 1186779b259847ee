"""What may be asked of the way a node is run: which exceptions are tried again, after how long, and what is refused."""

from __future__ import annotations

import math
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import GraphError
from riverrun.graph.policies import (
    Join,
    RetryPolicy,
    TimeoutPolicy,
    collect,
    first_success,
    may_pass,
    quorum,
    read_retries,
    read_timeout,
)


class Answered(Exception):
    """What an HTTP client raises for an answer."""

    def __init__(self, status: object) -> None:
        super().__init__(status)
        self.response = SimpleNamespace(status_code=status)


class WrongAnswered(Answered, ValueError):
    """One that by its class would be a mistake in the code."""


class Own(Exception):
    """An exception that nobody knows."""


def refused(call, *said):
    with pytest.raises(GraphError) as caught:
        call()
    assert "E1012" == caught.value.code
    for each in said:
        assert each in caught.value.message
    assert caught.value.mend
    return caught.value


# --- which exceptions ---


@pytest.mark.parametrize(
    "error",
    [Own(), ConnectionResetError(), TimeoutError(), Answered(500), Answered(503), Answered(429), WrongAnswered(502)],
    ids=repr,
)
def test_what_may_pass_by_itself_is_tried_again(error):
    assert may_pass(error)
    assert RetryPolicy().takes(error)


@pytest.mark.parametrize(
    "error",
    [ValueError(), KeyError(), ZeroDivisionError(), RuntimeError(), FileNotFoundError(), Answered(404), Answered(499)],
    ids=repr,
)
def test_what_is_wrong_in_the_code_or_in_the_request_is_not(error):
    assert not may_pass(error)
    assert not RetryPolicy().takes(error)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(), GeneratorExit()], ids=repr)
def test_what_ends_a_process_is_never_tried_again(error):
    assert not may_pass(error)


def test_a_status_that_is_no_number_says_nothing():
    assert may_pass(Answered("503"))
    assert not may_pass(WrongAnswered(None))


@pytest.mark.parametrize(
    ("chosen", "taken"),
    [
        (KeyError, [KeyError()]),
        (LookupError, [KeyError(), IndexError()]),
        ([KeyError, ValueError], [KeyError(), ValueError()]),
        ((KeyError,), [KeyError()]),
        ((), []),
        (lambda error: "a" in str(error), [ValueError("a")]),
        (lambda error: None, []),
    ],
)
def test_a_policy_takes_the_exceptions_that_it_names_and_no_others(chosen, taken):
    policy = RetryPolicy(retry_on=chosen)
    for error in taken:
        assert policy.takes(error) is True
    for error in (TimeoutError(), ValueError("b") if chosen != [KeyError, ValueError] else OSError()):
        assert policy.takes(error) is False


# --- after how long ---

SECONDS = st.floats(0, 1e6)


@given(SECONDS, st.floats(1, 100), SECONDS, st.integers(1, 5000))
def test_intervals_grow_to_their_limit_and_stay_there(initial, factor, most, failures):
    policy = RetryPolicy(initial_interval=initial, backoff_factor=factor, max_interval=most)
    now, then = policy.interval(failures), policy.interval(failures + 1)
    assert min(initial, most) == policy.interval(1)
    assert 0 <= now <= then <= most


def test_each_interval_is_the_one_before_times_the_factor():
    policy = RetryPolicy(initial_interval=0.5, backoff_factor=3.0, max_interval=10.0)
    assert [0.5, 1.5, 4.5, 10.0, 10.0] == [policy.interval(failures) for failures in range(1, 6)]


def test_a_node_that_is_tried_for_ever_never_waits_longer_than_it_may():
    """A factor of 2 leaves the range of floats at the 1025th failure."""
    assert 128.0 == RetryPolicy().interval(100_000)
    assert 0.0 == RetryPolicy(initial_interval=0).interval(100_000)
    assert 0.5 > RetryPolicy(backoff_factor=0.5).interval(100_000)


# --- what is refused ---


def test_one_policy_several_or_none_are_a_tuple_in_their_order():
    one, other = RetryPolicy(max_attempts=1), RetryPolicy(retry_on=KeyError)
    assert [(), (one,), (one, other), (other, one), ()] == [
        read_retries("a", given, "here") for given in (None, one, [one, other], (other, one), [])
    ]


@pytest.mark.parametrize(
    "wrong", [3, RetryPolicy, RetryPolicy(max_attempts=0), [RetryPolicy(), 3], {"max_attempts": 3}]
)
def test_what_is_no_retry_policy_is_refused_with_the_node_and_the_place(wrong):
    error = refused(lambda: read_retries("a", wrong, "file:1"), "'a'", "retry_policy")
    assert "file:1" == error.where


@pytest.mark.parametrize(
    ("given", "run_timeout"), [(2, 2.0), (0.5, 0.5), (timedelta(minutes=1), 60.0), (TimeoutPolicy(run_timeout=3), 3.0)]
)
def test_a_time_out_is_seconds_however_it_was_said(given, run_timeout):
    policy = read_timeout("a", given, "here")
    assert policy is not None
    assert (run_timeout, None, None) == (policy.run_timeout, policy.idle_timeout, policy.first_chunk_timeout)
    assert float is type(policy.run_timeout)


def test_no_time_out_is_none_and_a_policy_of_several_limits_keeps_them():
    assert None is read_timeout("a", None, "here")
    given = TimeoutPolicy(idle_timeout=1, first_chunk_timeout=timedelta(seconds=2))  # type: ignore[arg-type]
    assert TimeoutPolicy(idle_timeout=1.0, first_chunk_timeout=2.0) == read_timeout("a", given, "here")


WRONG_SECONDS: list[Any] = [0, -1, -0.5, math.nan, "5", True, timedelta(0), object]


@pytest.mark.parametrize("wrong", WRONG_SECONDS, ids=repr)
def test_what_is_no_time_above_0_is_refused_with_the_node_and_the_place(wrong):
    for policy in (
        wrong,
        TimeoutPolicy(run_timeout=wrong),
        TimeoutPolicy(idle_timeout=wrong),
        TimeoutPolicy(run_timeout=1, first_chunk_timeout=wrong),
    ):
        error = refused(lambda policy=policy: read_timeout("a", policy, "file:1"), "'a'", "timeout")
        assert "file:1" == error.where


def test_a_join_says_how_many_must_arrive_and_when_it_waits_no_longer():
    assert (Join(need=1, least=1), Join(need=3, least=3), Join(need=None, least=0)) == (
        first_success(),
        quorum(3),
        collect(),
    )
    assert first_success() == quorum(1)


@pytest.mark.parametrize("wrong", [0, -2, 1.5, True, "2", None], ids=repr)
def test_a_quorum_is_a_whole_number_from_1(wrong):
    refused(lambda: quorum(wrong), f"quorum({wrong!r})")
