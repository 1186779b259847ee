"""Programs: graphs that go round, and the limit that ends them."""

from tests.differential.outcome import merged, run
from tests.differential.states import Count, Items, Seen, joined, leaves, steps


def until(lg, limit, again, otherwise=None):
    """Make a router that goes on until `n` has reached `limit`."""
    return lambda state: again if state["n"] < limit else (otherwise or lg.END)


def counting(lg, limit=5):
    """Make a graph of one node that goes round until `n` is `limit`."""
    builder = joined(lg, Count, {"a": steps()}, ["^ a"])
    builder.add_conditional_edges("a", until(lg, limit, "a"), ["a", lg.END])
    return builder.compile()


def a_loop_of_one(lg):
    return run(counting(lg), {"n": 0})


def a_loop_of_a_hundred_rounds(lg):
    return run(counting(lg, 100), {"n": 0}, {"recursion_limit": 200})


def a_loop_of_two(lg):
    builder = joined(lg, Count, {"a": steps(), "b": leaves("b")}, ["^ a", "b a"])
    builder.add_conditional_edges("a", until(lg, 4, "b"), {"b": "b", lg.END: lg.END})
    return run(builder.compile(), {"n": 0})


def a_loop_with_a_way_in_and_out(lg):
    nodes = {"in": leaves("in"), "a": steps(), "b": leaves("b"), "out": leaves("out")}
    builder = joined(lg, Count, nodes, ["^ in", "in a", "b a"])
    builder.add_conditional_edges("a", until(lg, 3, "b", "out"), ["b", "out"])
    return run(builder.compile(), {"n": 0})


def a_fork_in_a_loop(lg):
    nodes = {"a": steps(), "b": leaves("b"), "c": leaves("c"), "d": leaves("d")}
    builder = joined(lg, Count, nodes, ["^ a", "a b", "a c", "b d", "c d"])
    builder.add_conditional_edges("d", until(lg, 3, "a"), ["a", lg.END])
    return run(builder.compile(), {"n": 0})


def a_loop_in_a_branch(lg):
    builder = joined(lg, Count, {"a": leaves("a"), "b": steps(), "c": leaves("c")}, ["^ a", "^ b"])
    builder.add_conditional_edges("b", until(lg, 3, "b", "c"), ["b", "c"])
    return run(builder.compile(), {"n": 0})


def a_loop_in_a_branch_that_meets_another(lg):
    rounds = []

    def goes_round(state):
        rounds.append(1)
        return {"seen": {f"round {len(rounds)}"}}

    builder = joined(lg, Seen, "a d", ["^ a", "a d"])
    builder.add_node("b", goes_round)
    builder.add_edge(lg.START, "b")
    builder.add_conditional_edges("b", lambda state: "d" if len(rounds) == 3 else "b", ["b", "d"])
    return run(builder.compile(), {})


def loops_inside_loops(lg):
    def inner(state):
        return {"n": state["n"] + 1, "trace": ["inner"]}

    def outer(state):
        return {"trace": ["outer"]}

    builder = joined(lg, Count, {"outer": outer, "inner": inner}, ["^ outer", "outer inner"])
    builder.add_conditional_edges(
        "inner",
        lambda state: lg.END if state["n"] >= 6 else ("outer" if state["n"] % 2 == 0 else "inner"),
        ["inner", "outer", lg.END],
    )
    return run(builder.compile(), {"n": 0})


def calls_in_a_loop(lg):
    def plans(state):
        return {"total": (state.get("total") or 0) + 1}

    def path(state):
        return [lg.Send("work", {"item": (state["total"], part)}) for part in "ab"] if state["total"] < 4 else lg.END

    builder = joined(
        lg, Items, {"plan": plans, "work": lambda state: {"done": [state["item"]]}}, ["^ plan", "work plan"]
    )
    builder.add_conditional_edges("plan", path, ["work", lg.END])
    return run(builder.compile(), {})


def a_loop_that_is_entered_in_the_middle(lg):
    builder = joined(lg, Count, {"a": steps(), "b": steps()}, ["a b"])
    builder.add_conditional_edges(lg.START, lambda state: "b" if state["n"] else "a", ["a", "b"])
    builder.add_conditional_edges("b", until(lg, 5, "a"), ["a", lg.END])
    graph = builder.compile()
    return merged(run(graph, {"n": 0}), run(graph, {"n": 1}))


def a_loop_without_end(lg):
    return run(joined(lg, Count, {"a": steps()}, ["^ a", "a a"]).compile(), {"n": 0}, {"recursion_limit": 7})


def a_loop_that_just_fits_the_limit(lg):
    return run(counting(lg, 5), {"n": 0}, {"recursion_limit": 5})


def a_loop_that_just_misses_the_limit(lg):
    return run(counting(lg, 6), {"n": 0}, {"recursion_limit": 5})


def a_fork_and_the_limit(lg):
    edges = ["^ a", "a b", "a c", "b d", "c d"]
    return run(joined(lg, Seen, "a b c d", edges).compile(), {}, {"recursion_limit": 3})


def a_fork_and_a_limit_that_is_high_enough(lg):
    edges = ["^ a", "a b", "a c", "b d", "c d"]
    return run(joined(lg, Seen, "a b c d", edges).compile(), {}, {"recursion_limit": 4})
