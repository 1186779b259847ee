"""What is kept, for how long, and which of it goes first; and when two inputs are the same."""

from __future__ import annotations

from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.graph.node import read_node
from riverrun.graph.policies import CachePolicy
from riverrun.runs.cache import InMemoryCache, cache_key

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
