"""What a policy takes, how long it waits, and which of them are refused where they are declared."""

from __future__ import annotations

from datetime import timedelta

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
    """An HTTP error of whatever client: it has a response with a status."""

    def __init__(self, status: object) -> None:
        super().__init__(status)
        self.response = type("Response", (), {"status_code": status})()


class Odd(Exception):
    """What nobody knows."""


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (ConnectionError(), True),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (Odd(), True),
        (Answered(503), True),
        (Answered(500), True),
        (Answered(429), True),
        (Answered(404), False),
        (Answered(400), False),
        (Answered("no number"), True),
        (ValueError(), False),
        (UnicodeDecodeError("utf-8", b"", 0, 1, ""), False),
        (TypeError(), False),
        (ZeroDivisionError(), False),
        (KeyError(), False),
        (ImportError(), False),
        (NameError(), False),
        (SyntaxError(), False),
        (RuntimeError(), False),
        (RecursionError(), False),
        (StopIteration(), False),
        (FileNotFoundError(), False),
        (KeyboardInterrupt(), False),
    ],
    ids=repr,
)
def test_what_may_pass_by_itself_is_tried_again_and_what_is_wrong_in_the_code_is_not(error, passes):
    assert passes is may_pass(error) is RetryPolicy().takes(error)


@pytest.mark.parametrize(
    ("chosen", "takes"),
    [
        (ValueError, True),
        (Exception, True),
        (KeyError, False),
        ((KeyError, ValueError), True),
        ([KeyError, ValueError], True),
        ((KeyError,), False),
        (lambda error: "this" in str(error), True),
        (lambda error: "that" in str(error), False),
        (lambda error: [1], True),
    ],
    ids=map(str, range(9)),
)
def test_a_policy_may_say_itself_what_it_takes(chosen, takes):
    assert takes is RetryPolicy(retry_on=chosen).takes(ValueError("this"))


@given(st.floats(0, 100), st.floats(1, 5), st.floats(0, 1000), st.integers(1, 50))
def test_each_wait_is_the_one_before_times_a_factor_up_to_a_limit(initial, factor, most, failures):
    policy = RetryPolicy(initial_interval=initial, backoff_factor=factor, max_interval=most)
    assert min(initial, most) == policy.interval(1)
    assert min(most, policy.interval(failures) * factor) == pytest.approx(policy.interval(failures + 1))


def test_the_waits_of_long_rows_of_failures_are_still_numbers():
    assert RetryPolicy(max_attempts=10**6).interval(10**6) == RetryPolicy().max_interval


# --- as they are declared ---


def test_one_policy_or_several_may_be_given():
    one, other = RetryPolicy(), RetryPolicy(max_attempts=5)
    assert () == read_retries("a", None, "here")
    assert (one,) == read_retries("a", one, "here")
    assert (one, other) == read_retries("a", [one, other], "here") == read_retries("a", (one, other), "here")


@pytest.mark.parametrize("declared", [5, "always", [RetryPolicy(), 5], RetryPolicy(max_attempts=0), TimeoutPolicy()])
def test_what_is_no_retry_policy_is_refused_with_its_node(declared):
    with pytest.raises(GraphError) as caught:
        read_retries("a", declared, "here.py:1")
    assert ("E1012", "here.py:1") == (caught.value.code, caught.value.where)
    assert "'a'" in caught.value.message


@pytest.mark.parametrize(
    ("declared", "policy"),
    [
        (None, None),
        (3, TimeoutPolicy(run_timeout=3.0)),
        (0.5, TimeoutPolicy(run_timeout=0.5)),
        (timedelta(minutes=1), TimeoutPolicy(run_timeout=60.0)),
        (TimeoutPolicy(idle_timeout=1.0), TimeoutPolicy(idle_timeout=1.0)),
    ],
    ids=map(str, range(5)),
)
def test_a_time_out_is_seconds_or_a_policy(declared, policy):
    assert policy == read_timeout("a", declared, "here")


@pytest.mark.parametrize("declared", [0, -1, timedelta(0), "1", True, [1]])
def test_what_is_no_time_is_refused_with_its_node(declared):
    with pytest.raises(GraphError) as caught:
        read_timeout("a", declared, "here.py:1")
    assert ("E1012", "here.py:1") == (caught.value.code, caught.value.where)


def test_joins_say_how_many_they_need_and_with_how_few_they_go_on():
    assert Join(need=1, least=1) == first_success() == quorum(1)
    assert Join(need=3, least=3) == quorum(3)
    assert Join(need=None, least=0) == collect()
    for count in (0, -1):
        with pytest.raises(GraphError) as caught:
            quorum(count)
        assert "E1012" == caught.value.code
