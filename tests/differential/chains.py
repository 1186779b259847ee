"""Programs: nodes one after another, and what a node may be and give back."""

import asyncio
from functools import partial

from tests.differential.outcome import arun, error_of, merged, plain, run
from tests.differential.states import Count, Pair, Trace, joined, leaves, steps


def one_node(lg):
    return run(joined(lg, Count, {"a": steps()}, ["^ a", "a $"]).compile(), {"n": 1})


def three_nodes_and_every_state_between(lg):
    graph = joined(lg, Count, {name: steps() for name in "abc"}, ["^ a", "a b", "b c", "c $"]).compile()
    return {**run(graph, {"n": 0}), "values": plain(list(graph.stream({"n": 0}, stream_mode="values")))}


def the_last_node_needs_no_edge_to_the_end(lg):
    return run(joined(lg, Trace, "a b", ["^ a", "a b"]).compile(), {"trace": ["input"]})


def functions_give_nodes_their_names(lg):
    def first(state):
        return {"trace": ["first"]}

    async def second(state):
        return {"trace": ["second"]}

    builder = lg.StateGraph(Trace)
    builder.add_node(first).add_node(second).add_edge(lg.START, "first").add_edge("first", "second")
    return asyncio.run(arun(builder.compile(), {}))


def a_sequence_of_functions_and_named_ones(lg):
    def second(state):
        return {"trace": ["second"]}

    builder = lg.StateGraph(Trace).add_sequence([("a", leaves("a")), second, ("c", leaves("c"))])
    return run(builder.add_edge(lg.START, "a").compile(), {})


def entry_and_finish_points(lg):
    builder = joined(lg, Trace, "a b", ["a b"])
    builder.set_entry_point("a")
    builder.set_finish_point("b")
    return run(builder.compile(), {})


def a_conditional_entry_point(lg):
    builder = joined(lg, Count, "low high", [])
    builder.set_conditional_entry_point(lambda state: "high" if state["n"] > 5 else "low", ["low", "high"])
    graph = builder.compile()
    return merged(run(graph, {"n": 1}), run(graph, {"n": 9}))


def nodes_that_write_nothing(lg):
    nodes = {"a": lambda state: None, "b": lambda state: {}, "c": leaves("c")}
    return run(joined(lg, Trace, nodes, ["^ a", "a b", "b c", "c $"]).compile(), {"trace": []})


def the_last_write_stays(lg):
    nodes = {"a": lambda state: {"x": 1, "y": 1}, "b": lambda state: {"x": state["x"] + 10}}
    return run(joined(lg, Pair, nodes, ["^ a", "a b"]).compile(), {"x": 0})


def none_is_a_value(lg):
    return run(joined(lg, Pair, {"a": lambda state: {"x": None}}, ["^ a"]).compile(), {"x": 1, "y": 2})


def whatever_can_be_called_is_a_node(lg):
    class Node:
        def __call__(self, state):
            return {"trace": ["object"]}

        def method(self, state):
            return {"trace": ["method"]}

    def given(word, state):
        return {"trace": [word]}

    nodes = {
        "a": Node(),
        "b": Node().method,
        "c": partial(given, "partial"),
        "d": lambda state: {"trace": ["lambda"]},
    }
    return run(joined(lg, Trace, nodes, ["^ a", "a b", "b c", "c d"]).compile(), {})


def a_graph_keeps_nothing_between_runs(lg):
    graph = joined(lg, Trace, "a b", ["^ a", "a b", "b $"]).compile()
    return merged(run(graph, {"trace": ["x"]}), run(graph, {"trace": ["y"]}))


def a_result_is_the_last_state(lg):
    graph = joined(lg, Count, {"a": steps(), "b": leaves("b")}, ["^ a", "a b"]).compile(name="named")
    return {"state": plain(graph.invoke({"n": 1})), "again": plain(asyncio.run(graph.ainvoke({"n": 2})))}


async def sync_and_async_nodes_mixed(lg):
    async def waits(state):
        await asyncio.sleep(0)
        return {"n": state["n"] * 10}

    nodes = {"a": steps(), "b": waits, "c": steps(), "d": waits}
    return await arun(joined(lg, Count, nodes, ["^ a", "a b", "b c", "c d"]).compile(), {"n": 1})


async def many_runs_of_one_graph_at_once(lg):
    async def waits(state):
        await asyncio.sleep(0)
        return {"n": state["n"] + 1}

    graph = joined(lg, Count, {"a": waits, "b": steps()}, ["^ a", "a b"]).compile()
    return {"state": plain(await asyncio.gather(*(graph.ainvoke({"n": n}) for n in range(20))))}


def a_node_that_raises(lg):
    def fails(state):
        raise LookupError("gone")

    return run(joined(lg, Trace, {"a": leaves("a"), "b": fails}, ["^ a", "a b"]).compile(), {"trace": []})


async def an_async_node_that_raises(lg):
    async def fails(state):
        await asyncio.sleep(0)
        raise LookupError("gone")

    return await arun(joined(lg, Trace, {"a": leaves("a"), "b": fails}, ["^ a", "a b"]).compile(), {"trace": []})


def a_node_that_gives_back_a_wrong_type(lg):
    return run(joined(lg, Trace, {"a": lambda state: 5}, ["^ a"]).compile(), {"trace": []})


def a_node_that_gives_back_a_list(lg):
    return run(joined(lg, Trace, {"a": lambda state: ["a"]}, ["^ a"]).compile(), {"trace": []})


def a_node_that_writes_an_unknown_key(lg):
    return run(joined(lg, Trace, {"a": lambda state: {"trace": ["a"], "typo": 1}}, ["^ a"]).compile(), {"trace": []})


def an_input_with_an_unknown_key(lg):
    return run(joined(lg, Trace, "a", ["^ a"]).compile(), {"trace": [], "typo": 1})


def an_input_that_is_no_mapping(lg):
    return {"error": error_of(joined(lg, Trace, "a", ["^ a"]).compile().invoke, 5)}


def what_a_node_changes_in_place(lg):
    def changes(state):
        state["trace"].append("secret")
        return {"trace": ["told"]}

    return run(joined(lg, Trace, {"a": changes, "b": leaves("b")}, ["^ a", "a b"]).compile(), {"trace": ["input"]})
