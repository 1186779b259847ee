"""A node is tried again, cut off, handled or not run at all: what the log tells of it, and what a reader still sees."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun import StateGraph
from riverrun.base.errors import Busy, ConnectionFault, NodeError
from riverrun.base.ids import jitter
from riverrun.events.kinds import NodeFailed, NodeRetrying
from riverrun.graph.node import START, Command, read_node
from riverrun.graph.policies import RetryPolicy, TimeoutPolicy
from riverrun.runs.attempts import next_delay
from tests.graph.laws import texts
from tests.runs.plans import State, kinds, values
from tests.runs.ride import Ride, drive

AT_ONCE: dict[str, Any] = {"initial_interval": 0.0, "jitter": False}


class Odd(Exception):
    """What nobody knows, and so may pass."""


def single(function, *followers, **options):
    """Declare a node with policies, and nodes after it."""
    made = StateGraph(State).add_node("a", function, **options).add_edge(START, "a")
    before = "a"
    for follower in followers:
        made.add_node(follower).add_edge(before, follower.__name__)
        before = follower.__name__
    return made.plan("graph")


def fails(*errors, say="half "):
    """Make a node that says something and fails, once for each of these, and then ends well."""
    left = list(errors)

    async def node(state, ctx):
        if say:
            yield say
        if left:
            raise left.pop(0)
        yield {"log": [ctx.attempt]}

    return node


def of(log, kind):
    return [event for event in log if isinstance(event, kind)]


# --- tried again ---


async def test_what_a_failed_attempt_said_is_void_and_the_next_one_begins_anew():
    policy = RetryPolicy(max_attempts=3, **AT_ONCE)
    ride = await Ride(single(fails(Odd("one"), Odd("two")), key=None, retry_policy=policy)).begin()
    log = await ride.end()
    told = [(e.attempt, e.reason, e.voids, e.error.code, e.error.kind, e.delay) for e in of(log, NodeRetrying)]
    assert [(2, "failed", ("a:1",), "E3001", "Odd", 0.0), (3, "failed", ("a:1",), "E3001", "Odd", 0.0)] == told
    assert "one" in of(log, NodeRetrying)[0].error.message
    assert ({"a:1": "half "}, ["half "] * 3) == (texts(log), values(log))
    assert ([3], "run.completed") == (ride.driver.machine.values()["log"], log[-1].type)
    assert [1, 2, 3] == [event.attempt for event in log if event.type == "node.chunk"]


async def test_the_last_attempt_fails_the_node_by_its_own_error():
    policy = RetryPolicy(max_attempts=2, **AT_ONCE)
    log = await drive(single(fails(Odd("one"), Odd("two"), Odd("three")), retry_policy=policy))
    (failed,) = of(log, NodeFailed)
    assert (2, "run.failed") == (failed.attempt, log[-1].type)
    assert "two" in failed.error.message
    assert ("a:1",) == log[-1].partial


@pytest.mark.parametrize(
    ("policies", "error", "attempts_made"),
    [
        (RetryPolicy(**AT_ONCE), ValueError("no"), 1),
        (RetryPolicy(**AT_ONCE), ConnectionError("no"), 2),
        (RetryPolicy(retry_on=ValueError, **AT_ONCE), ValueError("no"), 2),
        (RetryPolicy(retry_on=(KeyError, ValueError), **AT_ONCE), ValueError("no"), 2),
        (RetryPolicy(retry_on=lambda error: "not" in str(error), **AT_ONCE), ValueError("no"), 1),
        ([RetryPolicy(retry_on=KeyError), RetryPolicy(retry_on=ValueError, **AT_ONCE)], ValueError("no"), 2),
        # The first that takes it decides, also that it is not tried again.
        ([RetryPolicy(retry_on=ValueError, max_attempts=1), RetryPolicy(retry_on=ValueError)], ValueError("no"), 1),
        (RetryPolicy(retry_on=ValueError, before_first_chunk=True, **AT_ONCE), ValueError("no"), 1),
    ],
    ids=map(str, range(8)),
)
async def test_a_policy_says_what_is_tried_again(policies, error, attempts_made):
    log = await drive(single(fails(error), retry_policy=policies))
    assert attempts_made == 1 + len(of(log, NodeRetrying))
    assert ("run.completed" if attempts_made == 2 else "run.failed") == log[-1].type


async def test_before_it_has_said_anything_a_node_may_be_tried_again_for_readers_that_take_nothing_back():
    policy = RetryPolicy(before_first_chunk=True, **AT_ONCE)
    log = await drive(single(fails(Odd("no"), say=""), retry_policy=policy))
    assert ([()], "run.completed") == ([event.voids for event in of(log, NodeRetrying)], log[-1].type)


async def test_what_a_node_may_never_give_back_is_not_tried_again():
    ran = []

    async def node(state):
        ran.append(1)
        return 5

    log = await drive(single(node, retry_policy=RetryPolicy(max_attempts=9, **AT_ONCE)))
    assert ([1], "E3002") == (ran, log[-1].error.code)


async def test_a_sync_node_is_tried_again_as_well():
    left = [Odd("no")]

    def node(state, ctx):
        if left:
            raise left.pop()
        return {"x": ctx.attempt}

    ride = await Ride(single(node, retry_policy=RetryPolicy(**AT_ONCE))).begin()
    await ride.end()
    assert 2 == ride.driver.machine.values()["x"]


async def test_a_stop_does_not_wait_for_the_next_attempt():
    ride = await Ride(
        single(fails(Odd("no")), retry_policy=RetryPolicy(initial_interval=3600, max_interval=3600, jitter=False))
    ).begin()
    retrying = await ride.until("node.retrying")
    ride.driver.stop("enough")
    log = await ride.end()
    assert (3600.0, "run.stopped") == (retrying.delay, log[-1].type)


async def test_the_siblings_go_on_while_a_node_waits_for_its_next_attempt():
    order: list[Any] = []

    async def sibling(state):
        order.append("sibling")

    async def node(state, ctx):
        order.append(ctx.attempt)
        if ctx.attempt == 1:
            raise Odd
        return {"x": 1}

    made = StateGraph(State).add_node("a", node, retry_policy=RetryPolicy(initial_interval=0.01, jitter=False))
    made.add_node(sibling).add_node("after", sibling)
    made.add_edge(START, "a").add_edge(START, "sibling").add_edge("sibling", "after")
    await drive(made.plan("graph"))
    assert (2, ["sibling", "sibling", 1]) == (order[-1], sorted(order[:-1], key=str, reverse=True))


@given(st.floats(0, 10), st.floats(1, 4), st.floats(0, 100), st.integers(1, 20), st.integers(1, 25), st.booleans())
def test_the_waits_grow_up_to_a_limit_and_end_with_the_attempts(
    initial, factor, most, attempts_in_all, failures, chance
):
    policy = RetryPolicy(
        initial_interval=initial,
        backoff_factor=factor,
        max_interval=most,
        max_attempts=attempts_in_all,
        jitter=chance,
    )
    node = StateGraph(State).add_node("a", lambda state: None, retry_policy=policy).add_edge(START, "a")
    made = node.plan("g").nodes["a"]
    delay = next_delay(made, Odd(), failures, spoke=True)
    if failures >= attempts_in_all:
        assert delay is None
        return
    assert delay is not None
    assert policy.interval(failures) <= delay <= min(most, policy.interval(failures)) + (1 if chance else 0)
    assert policy.interval(failures) <= policy.interval(failures + 1) <= most


def test_without_a_policy_nothing_is_tried_again():
    assert next_delay(read_node("a", len, agent=None, key=None), Odd(), 1, spoke=False) is None


# --- cut off ---


async def test_an_attempt_that_takes_too_long_is_cut_off():
    closed = []

    async def node(state):
        try:
            yield "half"
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    log = await drive(single(node, timeout=0.01))
    (failed,) = of(log, NodeFailed)
    assert ("E3016", [True], ("a:1",)) == (failed.error.code, closed, log[-1].partial)
    assert "run_timeout of 0.01 s" in failed.error.message
    assert __file__ in failed.error.where


async def test_a_cut_off_attempt_is_tried_again_by_a_policy():
    async def node(state, ctx):
        if ctx.attempt == 1:
            await asyncio.Event().wait()
        return {"x": ctx.attempt}

    ride = await Ride(single(node, timeout=0.01, retry_policy=RetryPolicy(**AT_ONCE))).begin()
    log = await ride.end()
    assert (["E3016"], 2) == ([e.error.code for e in of(log, NodeRetrying)], ride.driver.machine.values()["x"])


@pytest.mark.parametrize("kind", ["idle_timeout", "first_chunk_timeout"])
async def test_a_node_that_falls_silent_is_cut_off(kind):
    async def silent(state):
        if kind == "idle_timeout":
            yield "word"
        await asyncio.Event().wait()
        yield "never"

    log = await drive(single(silent, timeout=TimeoutPolicy(**{kind: 0.01})))
    assert "E3016" == log[-1].error.code
    assert f"{kind} of 0.01 s" in log[-1].error.message


@pytest.mark.slow
async def test_whoever_speaks_in_time_is_not_cut_off():
    async def speaks(state, ctx):
        for _ in range(6):
            await asyncio.sleep(0.02)
            yield "word"
        for _ in range(6):
            await asyncio.sleep(0.02)
            ctx.emit("progress")
        for _ in range(6):
            await asyncio.sleep(0.02)
            ctx.heartbeat()

    log = await drive(single(speaks, timeout=TimeoutPolicy(idle_timeout=0.1)))
    assert "run.completed" == log[-1].type


async def test_once_it_has_spoken_the_limit_of_the_first_word_is_over():
    async def slow(state):
        yield "word"
        await asyncio.sleep(0.03)
        yield "last"

    log = await drive(single(slow, timeout=TimeoutPolicy(first_chunk_timeout=0.02)))
    assert "run.completed" == log[-1].type


async def test_a_sync_node_that_takes_too_long_is_left_behind_and_counted():
    go = threading.Event()

    def stuck(state, ctx):
        go.wait(10)
        ctx.emit("late")
        return {"x": 1}

    ride = await Ride(single(stuck, timeout=0.2)).begin()
    await ride.task
    assert 1 == ride.pool.orphans
    go.set()
    log = await ride.end()
    assert ("E3016", None) == (log[-1].error.code, ride.driver.machine.values().get("x"))
    assert "custom" not in kinds(log)


async def test_the_late_words_of_an_attempt_that_was_left_behind_are_not_those_of_the_next():
    go, said = threading.Event(), threading.Event()

    def node(state, ctx):
        if ctx.attempt == 1:
            go.wait(10)
            ctx.emit("late")
            said.set()
            return {}
        go.set()
        said.wait(10)
        return {"x": 2}

    ride = await Ride(
        single(node, timeout=TimeoutPolicy(run_timeout=0.25), retry_policy=RetryPolicy(**AT_ONCE))
    ).begin()
    log = await ride.end()
    assert (0, 2) == (kinds(log).count("custom"), ride.driver.machine.values()["x"])


async def test_a_sync_node_may_say_that_it_is_alive():
    pause = threading.Event()

    def works(state, ctx):
        for _ in range(8):
            pause.wait(0.02)
            ctx.heartbeat()
        return {"x": 1}

    log = await drive(single(works, timeout=TimeoutPolicy(idle_timeout=0.1)))
    assert "run.completed" == log[-1].type


async def test_a_time_out_of_the_nodes_own_is_its_own():
    async def node(state):
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    log = await drive(single(node, timeout=60))
    assert ("E3001", "TimeoutError") == (log[-1].error.code, log[-1].error.kind)


# --- handled ---


async def test_a_handler_takes_the_place_of_a_node_that_failed():
    seen = []

    async def handler(state, error):
        seen.append((state["x"], error.node, error.error))
        return {"text": "mended", "log": ["handler"]}

    wrong = Odd("no")
    ride = await Ride(single(fails(wrong), error_handler=handler), input={"x": 7}).begin()
    log = await ride.end()
    (retrying,) = of(log, NodeRetrying)
    assert ("handled", ("a:1",), "E3001", 2) == (
        retrying.reason,
        retrying.voids,
        retrying.error.code,
        retrying.attempt,
    )
    assert ([(7, "a", wrong)], "run.completed") == (seen, log[-1].type)
    assert ("mended", ["handler"]) == tuple(ride.driver.machine.values()[key] for key in ("text", "log"))
    assert {} == texts(log)


async def test_a_handler_is_asked_when_no_attempt_is_left():
    def handler(state, error, ctx):
        return {"log": [str(error.error), ctx.attempt]}

    made = single(
        fails(Odd("one"), Odd("two")), retry_policy=RetryPolicy(max_attempts=2, **AT_ONCE), error_handler=handler
    )
    ride = await Ride(made).begin()
    log = await ride.end()
    assert ["failed", "handled"] == [event.reason for event in of(log, NodeRetrying)]
    assert ["two", 3] == ride.driver.machine.values()["log"]


async def test_a_handler_may_stream_and_choose_where_to_go():
    async def words():
        yield "so "
        yield "far"

    async def handler(state, error):
        return Command(update={"text": words()}, goto="b")

    async def b(state):
        return {"log": [state["text"]]}

    made = StateGraph(State).add_node("a", fails(Odd()), error_handler=handler, destinations=["b"]).add_node(b)
    ride = await Ride(made.add_edge(START, "a").plan("graph")).begin()
    log = await ride.end()
    assert {"a:1/text": "so far"} == texts(log)
    assert ["so far"] == ride.driver.machine.values()["log"]


async def test_a_handler_that_fails_fails_the_node_by_its_own_error():
    async def handler(state, error):
        raise KeyError("worse") from error.error

    log = await drive(single(fails(Odd("no")), error_handler=handler))
    assert ("E3001", "KeyError") == (log[-1].error.code, log[-1].error.kind)


async def test_a_sub_graph_is_tried_again_as_a_whole_and_then_handled():
    ran = []

    async def steady(state):
        ran.append("steady")
        yield "steady "

    async def shaky(state, ctx):
        ran.append("shaky")
        yield "shaky "
        raise Odd(f"attempt {ctx.attempt}")

    inner = StateGraph(State).add_node(steady).add_node(shaky).add_edge(START, "steady").add_edge("steady", "shaky")

    async def handler(state, error):
        return {"log": [type(error.error).__name__]}

    policy = RetryPolicy(max_attempts=2, **AT_ONCE)
    ride = await Ride(single(inner.compile(), retry_policy=policy, error_handler=handler)).begin()
    log = await ride.end()
    assert ["steady", "shaky"] * 2 == ran
    assert ["failed", "handled"] == [event.reason for event in of(log, NodeRetrying)]
    assert {"a:1/steady:1", "a:1/shaky:1"} == set(of(log, NodeRetrying)[0].voids)
    assert ({}, ["Odd"]) == (texts(log), ride.driver.machine.values()["log"])


async def test_what_is_left_of_an_attempt_of_a_sub_graph_does_not_disturb_the_next():
    began, lingers = asyncio.Event(), asyncio.Event()

    async def slow(state, ctx):
        if ctx.attempt > 1:
            yield "second"
            lingers.set()
            return
        try:
            yield "first"
            began.set()
            await asyncio.Event().wait()
        finally:
            await lingers.wait()  # it takes its time to go, and the next attempt is there before it has gone
            ctx.emit("late")

    async def shaky(state, ctx):
        await began.wait()
        if ctx.attempt == 1:
            raise Odd

    inner = StateGraph(State).add_node(slow).add_node(shaky).add_edge(START, "slow").add_edge(START, "shaky")
    ride = await Ride(single(inner.compile(), retry_policy=RetryPolicy(**AT_ONCE)), grace=0.1).begin()
    try:
        async with asyncio.timeout(2):
            log = await ride.end()
    finally:
        lingers.set()
    assert ("run.completed", {"a:1/slow:1": "second"}) == (log[-1].type, texts(log))
    assert "custom" not in kinds(log)


# --- what decides ---


def test_chance_is_less_than_a_second():
    assert all(0 <= jitter() < 1 for _ in range(100))


def test_a_policy_takes_no_error_of_ours_but_a_cut_off_unless_it_says_so():
    wrong, late = NodeError("E3002", "wrong"), NodeError("E3016", "late")
    plain = read_node("a", len, agent=None, key=None)
    made = single(plain.function, retry_policy=RetryPolicy(**AT_ONCE)).nodes["a"]
    assert (None, 0.0) == tuple(next_delay(made, error, 1, spoke=False) for error in (wrong, late))
    chosen = single(plain.function, retry_policy=RetryPolicy(retry_on=NodeError, **AT_ONCE)).nodes["a"]
    assert (0.0, 0.0) == tuple(next_delay(chosen, error, 1, spoke=False) for error in (wrong, late))


def test_what_our_own_errors_call_temporary_is_tried_again_and_not_before_the_time_that_it_names():
    policy = RetryPolicy(initial_interval=0.5, max_interval=20.0, max_attempts=2, jitter=False)
    made = single(len, retry_policy=policy).nodes["a"]
    broke, busy, later = ConnectionFault("E3031", "broke"), Busy("E3032", "busy", retry_after=7.0), Busy("E3032", "b")
    assert (0.5, 7.0, 1.0) == tuple(next_delay(made, error, 1, spoke=True) for error in (broke, busy, later))
    assert next_delay(made, Busy("E3032", "tomorrow", retry_after=86_400.0), 1, spoke=True) is None
