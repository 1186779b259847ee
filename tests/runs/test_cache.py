"""What is kept, for how long, and which of it goes first; when two inputs are the same; what a run makes of it."""

from __future__ import annotations

from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun import StateGraph
from riverrun.events.kinds import NodeCompleted
from riverrun.graph.node import START, Command, read_node
from riverrun.graph.policies import CachePolicy
from riverrun.runs.cache import InMemoryCache, cache_key
from tests.runs.plans import State, values
from tests.runs.ride import Ride, drive

KEYS = st.integers(0, 5)
MOVES = st.lists(
    st.tuples(st.sampled_from(["put", "get", "wait"]), KEYS, st.sampled_from([None, 1.0, 3.0])), max_size=40
)


@given(MOVES, st.integers(1, 4))
def test_it_keeps_what_was_used_last_and_nothing_for_longer_than_it_may(moves, size):
    cache, kept, now = InMemoryCache(size), OrderedDict[int, tuple[int, float | None]](), 0.0
    for number, (move, key, ttl) in enumerate(moves):
        if move == "wait":
            now += 1.0
        elif move == "put":
            cache.put(key, number, ttl, now)
            kept.pop(key, None)
            kept[key] = (number, None if ttl is None else now + ttl)
            while len(kept) > size:
                kept.popitem(last=False)
        else:
            value, until = kept.get(key, (None, None))
            if until is not None and now >= until:
                value = None
                del kept[key]
            assert value == cache.get(key, now)
            if key in kept:
                kept.move_to_end(key)


def test_nothing_is_left_once_it_was_cleared():
    cache = InMemoryCache()
    cache.put("a", 1, None, 0.0)
    cache.clear()
    assert cache.get("a", 0.0) is None


# --- keys ---


def node(policy=None, name="a", function=len):
    made = read_node(name, function, agent=None, key=None)
    return type(made)(**{**{each: getattr(made, each) for each in made.__struct_fields__}, "cache": policy})


class Odd:
    """What is no JSON, but can be pickled."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __reduce__(self):
        return Odd, (self.value,)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"x": 1, "y": [1, {"z": None}]}, {"y": [1, {"z": None}], "x": 1}, True),
        ({"x": 1}, {"x": 2}, False),
        ({"x": 1}, {"x": "1"}, False),
        ({"x": {1, 2}}, {"x": {2, 1}}, True),
        ({"x": Odd(1)}, {"x": Odd(1)}, True),
        ({"x": Odd(1)}, {"x": Odd(2)}, False),
    ],
    ids=map(str, range(6)),
)
def test_equal_inputs_have_equal_names(one, other, same):
    made = node(CachePolicy())
    keys = cache_key(made, one), cache_key(made, other)
    assert None not in keys
    assert same is (keys[0] == keys[1])
    assert same is (hash(keys[0]) == hash(keys[1]))


def test_two_nodes_share_nothing():
    def other(state):
        return {}

    state = {"x": 1}
    keys = {
        cache_key(node(CachePolicy()), state),
        cache_key(node(CachePolicy(), name="b"), state),
        cache_key(node(CachePolicy(), function=other), state),
    }
    assert 3 == len(keys)


def test_what_cannot_be_named_is_not_kept():
    assert cache_key(node(CachePolicy()), {"x": lambda: None}) is None
    assert cache_key(node(), {"x": 1}) is None


def test_a_name_of_the_users_own_is_all_that_counts():
    made = node(CachePolicy(key_func=lambda state: state["x"] % 2))
    assert cache_key(made, {"x": 1}) == cache_key(made, {"x": 3}) != cache_key(made, {"x": 2})


# --- in a run ---


def cached(function, **options):
    """Declare a node that is kept."""
    return StateGraph(State).add_node("a", function, **options).add_edge(START, "a").plan("graph")


def completions(log):
    return [event.cached for event in log if isinstance(event, NodeCompleted)]


class Counted:
    """A node whose calls are counted."""

    def __init__(self, function):
        self.calls = 0
        self._function = function

    async def __call__(self, state):
        self.calls += 1
        async for value in self._function(state):
            yield value


async def talks(state):
    yield "one "
    yield "two"
    yield {"log": [state["x"]]}


async def test_what_is_kept_is_said_again_and_the_node_does_not_run():
    async def words(state):
        yield "one "
        yield "two"

    node, cache = Counted(words), InMemoryCache()
    made = cached(node, key="text", cache_policy=CachePolicy())
    first = await Ride(made, cache=cache, input={"x": 1}).begin()
    log = await first.end()
    assert (["one ", "two"], [False]) == (values(log), completions(log))
    again = await Ride(made, cache=cache, input={"x": 1}).begin()
    log = await again.end()
    assert (["one two"], [True], 1) == (values(log), completions(log), node.calls)
    assert first.driver.machine.values() == again.driver.machine.values()
    await drive(made, cache=cache, input={"x": 2})
    assert 2 == node.calls


async def test_what_a_generator_wrote_on_its_way_is_kept_too():
    cache = InMemoryCache()
    made = cached(talks, cache_policy=CachePolicy())
    for _ in range(2):
        ride = await Ride(made, cache=cache, input={"x": 1}).begin()
        await ride.end()
        assert [1] == ride.driver.machine.values()["log"]


async def test_what_is_kept_is_forgotten_after_its_time():
    node, cache = Counted(talks), InMemoryCache()
    made = cached(node, cache_policy=CachePolicy(ttl=60))
    one = await Ride(made, cache=cache, input={"x": 1}).begin()
    await one.end()
    for seconds, calls in ((59, 1), (61, 2)):
        later = Ride(made, cache=cache, input={"x": 1})
        later.clock.advance(seconds)
        await (await later.begin()).end()
        assert calls == node.calls


async def test_the_key_of_what_is_kept_may_be_made_by_the_user():
    node, cache = Counted(talks), InMemoryCache()
    made = cached(node, cache_policy=CachePolicy(key_func=lambda state: state["x"] % 2))
    for x, calls in ((1, 1), (3, 1), (2, 2)):
        await drive(made, cache=cache, input={"x": x})
        assert calls == node.calls


async def test_where_a_node_chose_to_go_is_kept_too():
    ran = []

    async def chooses(state):
        ran.append("a")
        return Command(update={"x": 1}, goto="b")

    async def b(state):
        ran.append("b")

    cache = InMemoryCache()
    made = StateGraph(State).add_node("a", chooses, destinations=["b"], cache_policy=CachePolicy()).add_node(b)
    plan = made.add_edge(START, "a").plan("graph")
    for _ in range(2):
        await drive(plan, cache=cache)
    assert ["a", "b", "b"] == ran


async def test_a_failure_is_not_kept():
    left, cache = [ValueError("no")], InMemoryCache()

    async def node(state):
        if left:
            raise left.pop()
        return {"x": 1}

    made = cached(node, cache_policy=CachePolicy())
    assert "run.failed" == (await drive(made, cache=cache))[-1].type
    assert "run.completed" == (await drive(made, cache=cache))[-1].type
