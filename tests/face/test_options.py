"""What a caller says about a run is read in one place, and what nobody knows is refused before anything begins."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import InputError
from riverrun.events.kinds import Base
from riverrun.face.options import (
    Options,
    check_options,
    checkpoint_id,
    merge_configs,
    read_options,
    read_place,
    thread_config,
)
from riverrun.face.saver import InMemorySaver
from tests.face.chains import chain, says

NAMES = st.sampled_from(["recursion_limit", "tags", "metadata"])
CONFIGS = st.builds(
    lambda plain, inner: {**plain, **({"configurable": inner} if inner else {})},
    st.dictionaries(NAMES, st.integers(1, 9)),
    st.dictionaries(st.sampled_from(["thread_id", "user"]), st.text(max_size=3), max_size=2),
)


def test_nothing_said_is_nothing_asked_for():
    assert Options() == read_options(None) == read_options({}) == read_options({"configurable": {}})


def test_a_config_names_thread_place_and_limit_and_keeps_the_rest_for_nodes():
    inner = {"thread_id": 7, "checkpoint_id": "ab.3", "checkpoint_ns": "", "user": "Ann"}
    read = read_options({"configurable": inner, "recursion_limit": 5, "tags": ["x"]}, timeout=2.0, context={"c": 1})
    expected = Options(
        limit=5,
        thread="7",
        place=Base("ab", 3),
        timeout=2.0,
        context={"c": 1},
        config={"tags": ["x"], "configurable": {"thread_id": 7, "user": "Ann"}},
    )
    assert expected == read
    assert 4 == len(inner)  # the caller's own stays as it was


@pytest.mark.parametrize(
    ("given_names", "read"), [(None, ()), ("a", ("a",)), ("*", ("*",)), (["a", "b"], ("a", "b")), ((), ())]
)
def test_a_hold_is_named_alone_or_in_a_list(given_names, read):
    options = read_options({}, before=given_names, after=given_names)
    assert (read, read) == (options.before, options.after)


@pytest.mark.parametrize("limit", [0, -1, 1.5, "5", True, False])
def test_a_limit_is_a_number_from_one(limit):
    with pytest.raises(InputError) as caught:
        read_options({"recursion_limit": limit})
    assert "E6006" == caught.value.code
    assert repr(limit) in caught.value.message


@given(CONFIGS, CONFIGS, CONFIGS)
def test_of_two_configs_the_later_wins_key_by_key_and_grouping_does_not_matter(first, second, third):
    merged = merge_configs(first, second)
    for name in {*first, *second} - {"configurable"}:
        assert second.get(name, first.get(name)) == merged[name]
    assert {**first.get("configurable", {}), **second.get("configurable", {})} == merged.get("configurable", {})
    assert merge_configs(merged, third) == merge_configs(first, merge_configs(second, third))
    assert first == merge_configs(first, None) == merge_configs(first, {}) == merge_configs({}, first)


@given(st.text("0123456789abcdef", min_size=1), st.integers(0, 10**9))
def test_a_place_that_was_named_is_read_back(run, seq):
    assert Base(run, seq) == read_place(checkpoint_id(run, seq))
    options = read_options(thread_config("t", run, seq))
    assert ("t", Base(run, seq), None) == (options.thread, options.place, options.config)


@pytest.mark.parametrize("place", ["", "abc", "abc.", ".5", "abc.x", "abc.-1", 5, "1ef-checkpoint-of-another-library"])
def test_a_place_that_is_none_of_ours_is_refused(place):
    with pytest.raises(InputError) as caught:
        read_options({"configurable": {"thread_id": "t", "checkpoint_id": place}})
    assert "E2007" == caught.value.code
    assert "get_state" in caught.value.mend


@pytest.mark.parametrize("name", ["durability", "debug", "checkpoint_during", "print_mode"])
def test_options_without_effect_are_taken(name):
    check_options({name: True})


async def test_an_option_that_nobody_knows_is_refused_before_anything_runs():
    ran: list[Any] = []

    async def node(state: Any) -> Any:
        ran.append(state)

    graph = chain(None, a=node)
    for call in (
        graph.ainvoke({}, stream_mod="values"),
        graph.ainvoke({}, stream_mode="updates", subgrafs=True),
        anext(graph.astream({}, subgrafs=True)),
        anext(graph.astream({}, stream_mode="values", subgrafs=True)),
    ):
        with pytest.raises(InputError) as caught:
            await call
        assert "E6006" == caught.value.code
        assert "stream_mod" in caught.value.message or "subgrafs" in caught.value.message
    assert [] == ran


def test_the_same_holds_for_code_that_is_not_async():
    graph = chain(None, "a")
    with pytest.raises(InputError, match="typo"):
        graph.invoke({}, typo=1)
    with pytest.raises(InputError, match="typo"):
        next(graph.stream({}, typo=1))


async def test_nodes_see_the_config_of_their_run():
    async def node(state: Any, config: Any) -> Any:
        seen = config["configurable"]
        return {"log": [seen["thread_id"], seen["user"], "checkpoint_id" in seen, config["tags"]]}

    graph = chain(InMemorySaver(), "ab", a=node, b=says("b"))
    given_config = {"configurable": {"thread_id": "t", "user": "Ann"}, "tags": ["x"]}
    assert ["t", "Ann", False, ["x"], "b"] == (await graph.ainvoke({}, given_config))["log"]
    assert given_config == {"configurable": {"thread_id": "t", "user": "Ann"}, "tags": ["x"]}
