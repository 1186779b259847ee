"""Programs: graphs inside graphs, as nodes or called by a node."""

import operator
from typing import Annotated, TypedDict

from tests.differential.outcome import arun, run
from tests.differential.states import Number, Pair, Trace, around, joined, leaves, steps


class Own(TypedDict, total=False):
    """What only an inner graph knows, and one key that it shares."""

    n: int
    draft: Annotated[list[str], operator.add]


def _adds_draft(state):
    return {"n": state["n"] + 1, "draft": [f"draft {state['n']}"]}


def _counting(lg, **options):
    """Make an inner graph of two nodes that count."""
    return joined(lg, Number, {"i": steps(), "j": steps()}, ["^ i", "i j"]).compile(**options)


def a_graph_as_a_node(lg):
    return run(around(lg, _counting(lg)), {"n": 0})


def a_graph_that_shares_a_list(lg):
    inner = joined(lg, Trace, "i j", ["^ i", "i j"]).compile()
    nodes = {"a": leaves("a"), "sub": inner, "z": leaves("z")}
    return run(joined(lg, Trace, nodes, ["^ a", "a sub", "sub z"]).compile(), {"trace": ["input"]})


def a_graph_with_keys_of_its_own(lg):
    inner = joined(lg, Own, {"i": _adds_draft, "j": _adds_draft}, ["^ i", "i j"]).compile()
    return run(around(lg, inner), {"n": 0})


def a_graph_with_an_output_schema(lg):
    builder = lg.StateGraph(Own, output_schema=Number)
    builder.add_node("i", _adds_draft).add_edge(lg.START, "i")
    return run(around(lg, builder.compile()), {"n": 0})


def a_graph_with_an_input_schema(lg):
    seen = []

    def looks(state):
        seen.append(sorted(state))
        return {"n": 5}

    builder = lg.StateGraph(Own, input_schema=Number)
    builder.add_node("i", looks).add_edge(lg.START, "i")
    return {**run(around(lg, builder.compile()), {"n": 0}), "seen": seen}


def graphs_two_levels_deep(lg):
    innermost = joined(lg, Number, {"k": steps()}, ["^ k"]).compile()
    inner = joined(lg, Number, {"i": steps(), "deep": innermost, "j": steps()}, ["^ i", "i deep", "deep j"]).compile()
    return run(around(lg, inner), {"n": 0})


def two_inner_graphs_beside_each_other(lg):
    class X(TypedDict):
        x: int

    class Y(TypedDict):
        y: int

    x = lg.StateGraph(X).add_node("i", lambda state: {"x": state["x"] + 1}).add_edge(lg.START, "i").compile()
    y = lg.StateGraph(Y).add_node("i", lambda state: {"y": state["y"] + 1}).add_edge(lg.START, "i").compile()
    nodes = {"x": x, "y": y, "end": lambda state: {"x": state["x"] * 10 + state["y"]}}
    return run(joined(lg, Pair, nodes, ["^ x", "^ y", "x end", "y end"]).compile(), {"x": 1, "y": 2})


def one_inner_graph_under_two_names(lg):
    inner = joined(lg, Number, {"i": steps()}, ["^ i"]).compile()
    return run(joined(lg, Number, {"a": inner, "b": inner}, ["^ a", "a b"]).compile(), {"n": 0})


def an_inner_graph_in_a_loop(lg):
    inner = joined(lg, Number, {"i": steps()}, ["^ i"]).compile()
    builder = joined(lg, Number, {"sub": inner}, ["^ sub"])
    builder.add_conditional_edges("sub", lambda state: "sub" if state["n"] < 3 else lg.END, ["sub", lg.END])
    return run(builder.compile(), {"n": 0})


def an_inner_graph_that_is_called_by_send(lg):
    class One(TypedDict, total=False):
        item: int
        done: Annotated[list[int], operator.add]

    class All(TypedDict, total=False):
        done: Annotated[list[int], operator.add]

    inner = lg.StateGraph(One).add_node("i", lambda state: {"done": [state["item"] * 2]}).add_edge(lg.START, "i")
    builder = lg.StateGraph(All).add_node("sub", inner.compile())
    builder.add_conditional_edges(lg.START, lambda state: [lg.Send("sub", {"item": n}) for n in (1, 2, 3)], ["sub"])
    return run(builder.compile(), {"done": []})


def a_fork_in_an_inner_graph(lg):
    inner = joined(lg, Trace, "i j k l", ["^ i", "i j", "i k", "j l", "k l"]).compile()
    nodes = {"a": leaves("a"), "sub": lambda state: {"trace": inner.invoke({"trace": []})["trace"]}}
    return run(joined(lg, Trace, nodes, ["^ a", "a sub"]).compile(), {})


def a_graph_called_inside_a_node(lg):
    inner = joined(lg, Own, {"i": _adds_draft}, ["^ i"]).compile()

    def calls(state):
        return {"n": inner.invoke({"n": state["n"] * 10})["n"]}

    return run(around(lg, calls), {"n": 0})


async def a_graph_awaited_inside_a_node(lg):
    inner = joined(lg, Own, {"i": _adds_draft}, ["^ i"]).compile()

    async def calls(state):
        told = await inner.ainvoke({"n": state["n"] * 10})
        return {"n": told["n"]}

    return await arun(around(lg, calls), {"n": 0})


def an_inner_graph_that_fails(lg):
    def fails(state):
        raise LookupError("gone")

    inner = joined(lg, Number, {"i": fails}, ["^ i"]).compile()
    return run(around(lg, inner), {"n": 0})


# --- leaving an inner graph ---


def _leaves_for(lg, goto, **update):
    def node(state):
        return lg.Command(update=update, goto=goto, graph=lg.Command.PARENT)

    return node


def _left(lg, goto, nodes="y z", **update):
    inner = joined(lg, Trace, {"i": _leaves_for(lg, goto, **update), "j": leaves("j")}, ["^ i"])
    inner.add_edge("i", "j")
    builder = joined(lg, Trace, nodes, [])
    builder.add_node("sub", inner.compile(), destinations=tuple(nodes.split()))
    return builder.add_edge(lg.START, "sub").compile()


def a_node_leaves_its_graph(lg):
    told = run(_left(lg, "z", trace=["left"]), {"trace": []})
    return {"state": told["state"], "error": told["error"]}


def a_node_leaves_its_graph_for_two_nodes(lg):
    told = run(_left(lg, ["y", "z"], trace=["left"]), {"trace": []})
    return {"state": told["state"], "error": told["error"]}


def a_node_leaves_its_graph_and_its_sibling(lg):
    inner = joined(lg, Trace, {"i": _leaves_for(lg, "z", trace=["left"])}, ["^ i"]).compile()
    nodes = {"b": leaves("b"), "z": leaves("z")}
    builder = joined(lg, Trace, nodes, ["^ b"])
    builder.add_node("sub", inner, destinations=("z",))
    told = run(builder.add_edge(lg.START, "sub").compile(), {"trace": []})
    return {"state": {"trace": sorted(told["state"]["trace"])}, "error": told["error"]}


def a_node_leaves_its_graph_by_calls(lg):
    told = run(_left(lg, [lg.Send("z", {}), lg.Send("z", {})], trace=["left"]), {"trace": []})
    return {"state": told["state"], "error": told["error"]}


def an_inner_graph_is_left_for_itself(lg):
    def node(state):
        goto = "sub" if len(state["trace"]) < 3 else "z"
        return lg.Command(update={"trace": ["left"]}, goto=goto, graph=lg.Command.PARENT)

    inner = joined(lg, Trace, {"i": node}, ["^ i"]).compile()
    builder = joined(lg, Trace, "z", [])
    builder.add_node("sub", inner, destinations=("sub", "z"))
    told = run(builder.add_edge(lg.START, "sub").compile(), {"trace": []})
    return {"state": told["state"], "error": told["error"]}
