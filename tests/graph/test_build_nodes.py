"""Adding nodes: what is read off a function, what is said beside it, and every mistake refused where it was made."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import operator
from datetime import timedelta
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import GraphError
from riverrun.graph.build import GraphBuilder
from riverrun.graph.build_nodes import NodeBuilder, name_and_function
from riverrun.graph.node import END, START, Command
from riverrun.graph.policies import CachePolicy, RetryPolicy, TimeoutPolicy, first_success
from tests.graph.sketch import Inside


class State(TypedDict, total=False):
    x: int
    log: Annotated[list[str], operator.add]


class Seen(TypedDict, total=False):
    x: int
    secret: str


class Other(TypedDict, total=False):
    log: Annotated[list[str], operator.concat]


@dataclasses.dataclass
class Data:
    x: int = 5
    log: Annotated[list[str], operator.add] = dataclasses.field(default_factory=list)


def one(state):
    return {}


def two(state):
    return {}


def handler(state, error):
    return {}


def here(function) -> str:
    return f"{__file__}:{function.__code__.co_firstlineno}"


def planned(builder, *names):
    """Plan the nodes that were added, one after another."""
    before = START
    for name in names:
        builder.add_edge(before, name)
        before = name
    return builder.plan("g")


def refused(code, call, *names, where=None):
    """Hold what was refused against what it must say."""
    with pytest.raises(GraphError) as caught:
        call()
    assert code == caught.value.code
    for name in names:
        assert repr(name) in caught.value.message
    if where is not None:
        assert where == caught.value.where
    assert caught.value.mend
    return caught.value


# --- names ---


def test_a_name_is_given_once():
    builder = GraphBuilder(State).add_node("a", one)
    error = refused("E1001", lambda: builder.add_node("a", two), "a", where=here(two))
    assert here(one) in error.message


@pytest.mark.parametrize(
    "name", [START, END, "", "  ", "a/b", "a:1", "a?", "a~b", "a\nb", "a\tb", "\x00", "a\u200b", "a\u2028"]
)
def test_a_name_with_a_meaning_of_its_own_is_refused(name):
    refused("E1002", lambda: GraphBuilder(State).add_node(name, one), name, where=here(one))


@pytest.mark.parametrize("name", ["a", "a b", "a.b-c_d", "é", "節点"])
def test_other_names_are_taken(name):
    assert [name] == list(planned(GraphBuilder(State).add_node(name, one), name).nodes)


class Called:
    def __call__(self, state):
        return {}


CALLED = Called()


@pytest.mark.parametrize(
    ("node", "function", "name", "what"),
    [
        (one, None, "one", one),
        (one, two, "one", two),
        ("a", one, "a", one),
        (CALLED, None, "Called", CALLED),
    ],
)
def test_a_function_gives_its_name_and_a_name_beside_it_goes_before(node, function, name, what):
    assert (name, what) == name_and_function(node, function)


def test_a_partial_is_called_as_the_function_inside_it():
    part = functools.partial(one)
    assert ("one", part) == name_and_function(part, None)
    assert ["one"] == list(planned(GraphBuilder(State).add_node(part), "one").nodes)


def test_a_name_without_a_function_is_no_node():
    refused("E1006", lambda: GraphBuilder(State).add_node("a"), "a")


@pytest.mark.parametrize("thing", [5, object(), {"a": 1}])
def test_what_cannot_be_called_is_no_node(thing):
    refused("E1006", lambda: GraphBuilder(State).add_node("a", thing), "a")


# --- what is said beside the function ---


def test_what_is_said_of_a_node_is_kept_with_it():
    retry, cache, join = RetryPolicy(max_attempts=2), CachePolicy(ttl=1), first_success()
    builder = GraphBuilder(State).add_node(
        "a",
        one,
        agent="Ann",
        key="x",
        retry_policy=[retry],
        timeout=timedelta(seconds=2),
        error_handler=handler,
        cache_policy=cache,
        join=join,
        destinations=["b", END],
        metadata={"team": 1},
        defer=True,
    )
    node = planned(builder.add_node("b", two), "a", "b").nodes["a"]
    assert ("a", one, "sync", "Ann", "x") == (node.name, node.function, node.manner, node.agent, node.key)
    assert ((retry,), TimeoutPolicy(run_timeout=2.0), cache, join) == (
        node.retries,
        node.timeout,
        node.cache,
        node.join,
    )
    assert (handler, ("error",), ("b", END), {"team": 1}) == (
        node.handler,
        node.handler_wants,
        node.targets,
        node.metadata,
    )
    assert (here(one), False) == (node.where, node.plain)


def test_a_node_of_which_nothing_is_said_is_its_function_and_nothing_else():
    node = planned(GraphBuilder(State).add_node("a", one), "a").nodes["a"]
    assert (True, (), None, None) == (node.plain, node.targets, node.sees, node.join)


def test_destinations_go_before_what_the_annotation_says():
    def node(state) -> Command:  # type: ignore[type-arg]  # as it is written where it may go anywhere
        return Command(goto="b")

    builder = GraphBuilder(State).add_node("a", node, destinations={"b": "when it is done"}).add_node("b", one)
    assert ("b",) == planned(builder, "a", "b").nodes["a"].targets
    assert None is planned(GraphBuilder(State).add_node("a", node), "a").nodes["a"].targets


MISTAKES: dict[str, tuple[str, dict[str, Any]]] = {
    "key": ("E1003", {"key": "y"}),
    "retry": ("E1012", {"retry_policy": 3}),
    "attempts": ("E1012", {"retry_policy": RetryPolicy(max_attempts=0)}),
    "timeout": ("E1012", {"timeout": 0}),
    "limit": ("E1012", {"timeout": TimeoutPolicy(idle_timeout=-1)}),
    "cache": ("E1012", {"cache_policy": 60}),
    "join": ("E1012", {"join": 2}),
    "option": ("E1011", {"retries": 3}),
    "handler": ("E1006", {"error_handler": lambda state, error, more: {}}),
    "shape": ("E1007", {"input_schema": 5}),
    "reducer": ("E1008", {"input_schema": Other}),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_refused_with_the_node_and_its_place(mistake):
    code, options = MISTAKES[mistake]
    error = refused(code, lambda: GraphBuilder(State).add_node("a", one, **options))
    if code not in ("E1007", "E1008"):
        assert "'a'" in error.message
        assert __file__ in error.where


@given(st.lists(st.sampled_from(sorted(MISTAKES)), min_size=1, max_size=3))
def test_a_node_that_was_refused_has_left_no_trace(mistakes):
    """It is added again, now without the mistake, in the plan that it would have been in without the tries."""

    def shaped(state: Seen):
        return {}

    tried, clean = GraphBuilder(State), GraphBuilder(State)
    for mistake in mistakes:
        code, options = MISTAKES[mistake]
        for function in (Inside(planned(GraphBuilder(State).add_node("a", one), "a")), shaped):
            if mistake in ("shape", "reducer") and function is not shaped:
                continue  # a graph is asked for its own classes only
            refused(code, lambda function=function, options=options: tried.add_node("a", function, **options))
    for builder in (tried, clean):
        builder.add_node("a", one).add_node("b", shaped)
    left, right = planned(tried, "a", "b"), planned(clean, "a", "b")
    assert [right.nodes["a"], right.inner, set(right.schema.keys)] == [
        left.nodes["a"],
        left.inner,
        set(left.schema.keys),
    ]


# --- what holds for every node ---


def test_defaults_are_for_every_node_that_does_not_say_otherwise_whenever_it_is_added():
    retry, own = RetryPolicy(max_attempts=7), RetryPolicy(max_attempts=1)
    cache, own_cache = CachePolicy(ttl=1), CachePolicy()

    def own_handler(state):
        return {}

    builder = GraphBuilder(State).add_node("before", one)
    builder.set_node_defaults(retry_policy=retry, timeout=5, error_handler=handler, cache_policy=cache)
    builder.add_node("after", one)
    builder.add_node("own", one, retry_policy=own, timeout=1, error_handler=own_handler, cache_policy=own_cache)
    nodes = planned(builder, "before", "after", "own").nodes
    for name in ("before", "after"):
        node = nodes[name]
        assert ((retry,), 5.0, handler, ("error",), cache) == (
            node.retries,
            node.timeout and node.timeout.run_timeout,
            node.handler,
            node.handler_wants,
            node.cache,
        )
    node = nodes["own"]
    assert ((own,), 1.0, own_handler, (), own_cache) == (
        node.retries,
        node.timeout and node.timeout.run_timeout,
        node.handler,
        node.handler_wants,
        node.cache,
    )


def test_defaults_that_are_not_given_are_none_and_the_last_ones_count():
    builder = GraphBuilder(State).set_node_defaults(timeout=5).set_node_defaults(retry_policy=RetryPolicy())
    node = planned(builder.add_node("a", one), "a").nodes["a"]
    assert ((RetryPolicy(),), None, None) == (node.retries, node.timeout, node.handler)


@pytest.mark.parametrize(
    ("code", "options"),
    [
        ("E1012", {"retry_policy": 3}),
        ("E1012", {"timeout": -1}),
        ("E1012", {"cache_policy": 60}),
        ("E1006", {"error_handler": lambda *, other: {}}),
        ("E1006", {"error_handler": 5}),
    ],
)
def test_a_default_that_is_none_is_refused_where_it_is_given(code, options):
    refused(code, lambda: GraphBuilder(State).set_node_defaults(**options))


# --- as what a node sees the state ---


def test_a_state_is_a_class_that_can_be_read():
    for state in (5, list, object, "State", None):
        refused("E1007", lambda state=state: NodeBuilder(state))
    refused("E1011", lambda: NodeBuilder(State, config_schema=dict), "config_schema")


async def test_a_node_of_a_class_sees_an_instance_and_gives_back_what_it_gives():
    seen = []

    def sync(state):
        seen.append(state)
        return {"x": 1}

    async def later(state, ctx):
        seen.append((state, ctx))
        return {"x": 2}

    builder = GraphBuilder(Data).add_node("a", sync).add_node("b", later)
    nodes = planned(builder, "a", "b").nodes
    assert ({"x": 1}, "sync", "async", ("ctx",)) == (
        nodes["a"].function({"x": 3}),
        nodes["a"].manner,
        nodes["b"].manner,
        nodes["b"].wants,
    )
    promised = nodes["b"].function({"log": ["l"]}, "context")
    assert inspect.isawaitable(promised)
    assert {"x": 2} == await promised
    assert [Data(x=3), (Data(log=["l"]), "context")] == seen
    assert here(sync) == nodes["a"].where, "its place is that of what the user wrote"


def test_keys_that_only_a_node_asks_for_are_part_of_the_state_and_hidden_from_the_others():
    def asking(state: Seen):
        return {"x": len(state["secret"]), "seen": sorted(state)}

    def said(state):
        return {"seen": sorted(state)}

    builder = GraphBuilder(State).add_node("a", one).add_node("b", asking).add_node("c", said, input_schema=Seen)
    plan = planned(builder, "a", "b", "c")
    assert (frozenset({"x", "log"}), None, None) == tuple(plan.nodes[name].sees for name in "abc")
    assert [] == plan.schema.unknown(["secret"])
    whole = {"x": 1, "log": ["l"], "secret": "abc"}
    assert {"x": 3, "seen": ["secret", "x"]} == plan.nodes["b"].function(whole)
    assert {"seen": ["secret", "x"]} == plan.nodes["c"].function(whole)


def test_what_the_input_and_the_result_may_have_belongs_to_the_state():
    class Question(TypedDict):
        question: str

    class Answer(TypedDict):
        x: int

    schema = planned(GraphBuilder(State, input_schema=Question, output_schema=Answer).add_node("a", one), "a").schema
    assert ({"question": "?"}, {"x": 1}) == (schema.check_input({"question": "?"}), schema.output({"x": 1, "log": []}))
    assert [] == schema.unknown(["question", "x", "log"])


# --- graphs in graphs ---


def test_a_compiled_graph_is_a_node_whose_plan_runs_in_its_place():
    inner = planned(GraphBuilder(State).add_node("i", one), "i")
    made = Inside(inner)
    plan = planned(GraphBuilder(State).add_node("a", made, retry_policy=RetryPolicy()).add_node(made), "a", "g")
    assert {"a": inner, "g": inner} == plan.inner
    node = plan.nodes["a"]
    assert ("graph", "graph 'g'", (RetryPolicy(),)) == (node.manner, node.where, node.retries)


def test_a_graph_that_was_not_compiled_is_refused():
    inner = GraphBuilder(State).add_node("i", one)
    as_function: Any = inner
    error = refused("E1006", lambda: GraphBuilder(State).add_node("a", as_function), "a")
    assert "compile()" in error.mend
