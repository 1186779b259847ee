"""Programs: conditional edges, with and without a path map."""

from typing import Literal

from tests.differential.outcome import arun, error_of, merged, run
from tests.differential.states import Count, Seen, Trace, is_seen, joined, leaves


def routed(lg, path, path_map=None, nodes="a high low", state=Count):
    """Make a graph in which `path` chooses what follows `a`."""
    builder = joined(lg, state, nodes, ["^ a"])
    builder.add_conditional_edges("a", path, path_map)
    return builder.compile()


def size(state):
    return "high" if state["n"] > 5 else "low"


def a_router_without_a_path_map(lg):
    graph = routed(lg, size)
    return merged(run(graph, {"n": 1}), run(graph, {"n": 9}))


def a_router_with_a_mapping(lg):
    graph = routed(lg, lambda state: state["n"] % 3, {0: "low", 1: "high", 2: lg.END})
    return merged(*(run(graph, {"n": n}) for n in range(3)))


def a_router_with_a_list(lg):
    return run(routed(lg, size, ["low", "high"]), {"n": 9})


def a_router_that_says_yes_or_no(lg):
    graph = routed(lg, lambda state: state["n"] > 5, {True: "high", False: "low"})
    return merged(run(graph, {"n": 1}), run(graph, {"n": 9}))


def a_router_with_literal_targets(lg):
    def path(state) -> Literal["low", "high", "__end__"]:
        return size(state) if state["n"] else "__end__"

    graph = routed(lg, path)
    return merged(*(run(graph, {"n": n}) for n in (0, 1, 9)))


def a_router_that_names_the_end(lg):
    return run(routed(lg, lambda state: lg.END), {"n": 1})


def a_router_that_chooses_several(lg):
    return run(routed(lg, lambda state: ["high", "low"]), {"n": 1})


def a_router_that_chooses_several_of_a_mapping(lg):
    return run(routed(lg, lambda state: ["x", "y"], {"x": "high", "y": "low", "z": lg.END}), {"n": 1})


def a_router_that_chooses_one_and_the_end(lg):
    return run(routed(lg, lambda state: ["low", lg.END]), {"n": 1})


def a_router_that_chooses_nothing(lg):
    return run(routed(lg, lambda state: []), {"n": 1})


async def an_async_router(lg):
    async def path(state):
        return size(state)

    return await arun(routed(lg, path), {"n": 9})


def two_routers_behind_one_node(lg):
    def parity(state):
        return "is_odd" if state["n"] % 2 else "is_even"

    def magnitude(state):
        return f"size_{size(state)}"

    builder = joined(lg, Count, "a is_even is_odd size_high size_low", ["^ a"])
    builder.add_conditional_edges("a", parity)
    builder.add_conditional_edges("a", magnitude)
    graph = builder.compile()
    return merged(run(graph, {"n": 1}), run(graph, {"n": 8}))


def a_router_beside_a_plain_edge(lg):
    builder = joined(lg, Count, "a always high low", ["^ a", "a always"])
    builder.add_conditional_edges("a", size, ["low", "high"])
    return run(builder.compile(), {"n": 1})


def a_router_at_the_start(lg):
    builder = joined(lg, Count, "low high", [])
    builder.add_conditional_edges(lg.START, size, {"low": "low", "high": "high"})
    return run(builder.compile(), {"n": 9})


def a_router_that_sees_what_its_node_wrote(lg):
    builder = joined(lg, Count, {"a": lambda state: {"n": 9}, "low": leaves("low"), "high": leaves("high")}, ["^ a"])
    builder.add_conditional_edges("a", size)
    return run(builder.compile(), {"n": 1})


def a_router_that_does_not_see_the_sibling(lg):
    seen = []

    def path(state):
        seen.append(sorted(state["trace"]))
        return "c"

    builder = joined(lg, Trace, "a b c", ["^ a", "^ b"])
    builder.add_conditional_edges("b", path, ["c"])
    return {**run(builder.compile(), {"trace": []}), "seen": seen}


def branches_that_meet_behind_routers(lg):
    builder = joined(lg, Seen, "a b c d", ["^ a", "a b", "a c"])
    builder.add_conditional_edges("b", lambda state: "d", ["d"])
    builder.add_conditional_edges("c", lambda state: "d", ["d"])
    return run(builder.compile(), {})


def a_branch_that_is_not_taken_is_not_waited_for(lg):
    builder = joined(lg, Seen, "a b c d", ["^ a", "b d", "c d"])
    builder.add_conditional_edges("a", lambda state: "b", ["b", "c"])
    return run(builder.compile(), {})


def a_router_that_raises(lg):
    def path(state):
        raise LookupError("gone")

    return run(routed(lg, path), {"n": 1})


def a_router_that_names_nobody(lg):
    return run(routed(lg, lambda state: "nobody"), {"n": 1})


def a_router_whose_answer_is_not_in_the_mapping(lg):
    return run(routed(lg, lambda state: "x", {"y": "low"}, nodes="a low"), {"n": 1})


def a_mapping_that_names_nobody(lg):
    return {"error": error_of(routed, lg, size, {"x": "nobody"})}


def routers_one_after_another(lg):
    builder = joined(lg, Seen, {name: is_seen(name) for name in "abcd"}, ["^ a"])
    for source, target in ("ab", "bc", "cd"):
        builder.add_conditional_edges(source, lambda state, target=target: target, [target])
    builder.add_conditional_edges("d", lambda state: lg.END)
    return run(builder.compile(), {})
