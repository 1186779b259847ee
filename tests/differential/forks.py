"""Programs: branches that run beside each other and meet again."""

import asyncio

from tests.differential.outcome import arun, run
from tests.differential.states import Count, Pair, Seen, Trace, is_seen, joined, leaves


def a_diamond(lg):
    return run(joined(lg, Trace, "a b c d", ["^ a", "a b", "a c", "b d", "c d", "d $"]).compile(), {})


def a_fork_at_the_start(lg):
    return run(joined(lg, Trace, "a b c", ["^ a", "^ b", "a c", "b c"]).compile(), {"trace": ["input"]})


def a_fork_of_eight(lg):
    branches = [f"n{number}" for number in range(8)]
    edges = [f"^ {name}" for name in branches] + [f"{name} z" for name in branches]
    return run(joined(lg, Trace, " ".join([*branches, "z"]), edges).compile(), {})


def branches_that_never_meet(lg):
    return run(joined(lg, Trace, "a b c", ["^ a", "a b", "a c", "b $", "c $"]).compile(), {})


def branches_of_two_that_meet(lg):
    edges = ["^ a", "a b1", "a c1", "b1 b2", "c1 c2", "b2 d", "c2 d"]
    return run(joined(lg, Trace, "a b1 b2 c1 c2 d", edges).compile(), {})


def branches_of_unequal_length(lg):
    return run(joined(lg, Seen, "a b c1 c2 d", ["^ a", "a b", "a c1", "c1 c2", "b d", "c2 d"]).compile(), {})


def branches_of_unequal_length_and_what_follows(lg):
    edges = ["^ a", "a b", "a c1", "c1 c2", "b d", "c2 d", "d e"]
    return run(joined(lg, Seen, "a b c1 c2 d e", edges).compile(), {})


def a_listed_edge_waits_for_all(lg):
    builder = joined(lg, Seen, "a b c1 c2 d", ["^ a", "a b", "a c1", "c1 c2", "d $"])
    return run(builder.add_edge(["b", "c2"], "d").compile(), {})


def a_deferred_node_waits_for_all(lg):
    builder = joined(lg, Seen, "a b c1 c2", ["^ a", "a b", "a c1", "c1 c2"])
    builder.add_node("d", is_seen("d"), defer=True)
    return run(builder.add_edge("b", "d").add_edge("c2", "d").compile(), {})


def a_deferred_node_at_the_end_of_three(lg):
    builder = joined(lg, Seen, "a b1 b2 b3 c", ["^ a", "^ b1", "^ c", "b1 b2", "b2 b3"])
    builder.add_node("last", is_seen("last"), defer=True)
    for name in ("a", "b3", "c"):
        builder.add_edge(name, "last")
    return run(builder.compile(), {})


def forks_inside_forks(lg):
    edges = ["^ a", "a b", "a c", "b b1", "b b2", "b1 b3", "b2 b3", "c c1", "c c2", "c1 c3", "c2 c3", "b3 d", "c3 d"]
    return run(joined(lg, Seen, "a b b1 b2 b3 c c1 c2 c3 d", edges).compile(), {})


def two_forks_one_after_another(lg):
    edges = ["^ a", "^ b", "a c", "b c", "c d", "c e", "d f", "e f"]
    return run(joined(lg, Trace, "a b c d e f", edges).compile(), {})


def branches_that_cross(lg):
    return run(joined(lg, Trace, "a b c d", ["^ a", "^ b", "a c", "a d", "b c", "b d"]).compile(), {})


def branches_that_write_different_keys(lg):
    nodes = {
        "a": lambda state: {"x": state["x"] + 1},
        "b": lambda state: {"y": state["y"] + 10},
        "c": lambda state: {"x": state["x"] + state["y"]},
    }
    return run(joined(lg, Pair, nodes, ["^ a", "^ b", "a c", "b c"]).compile(), {"x": 1, "y": 2})


def two_writers_of_one_key(lg):
    nodes = {"a": lambda state: {"x": 1}, "b": lambda state: {"x": 2}}
    return run(joined(lg, Pair, nodes, ["^ a", "^ b"]).compile(), {"x": 0})


def two_writers_of_one_key_a_step_apart(lg):
    nodes = {"a": lambda state: {"y": 1}, "b": lambda state: {"x": 2}, "a2": lambda state: {"x": 1}}
    return run(joined(lg, Pair, nodes, ["^ a", "^ b", "a a2"]).compile(), {"x": 0})


def a_branch_does_not_see_its_sibling(lg):
    def tells(name):
        def node(state):
            return {"trace": [f"{name} saw {len(state['trace'])}"]}

        return node

    nodes = {name: tells(name) for name in "abcd"}
    return run(joined(lg, Trace, nodes, ["^ a", "a b", "a c", "b d", "c d"]).compile(), {"trace": []})


def a_later_branch_does_not_see_its_sibling(lg):
    def tells(name):
        def node(state):
            return {"trace": [f"{name} saw {','.join(sorted(state['trace']))}"]}

        return node

    nodes = {"a": leaves("a"), "b": leaves("b"), "b2": tells("b2")}
    return run(joined(lg, Trace, nodes, ["^ a", "^ b", "b b2"]).compile(), {"trace": []})


def the_order_in_which_branches_merge(lg):
    nodes = {name: leaves(name) for name in ("zz", "mm", "aa")}
    return run(joined(lg, Trace, nodes, ["^ zz", "^ mm", "^ aa"]).compile(), {})


async def the_order_does_not_depend_on_who_is_faster(lg):
    async def run_with(order):
        done = {name: asyncio.Event() for name in "abc"}

        def node(name):
            async def waits(state):
                place = order.index(name)
                if place:
                    await done[order[place - 1]].wait()
                done[name].set()
                return {"trace": [name]}

            return waits

        return await arun(joined(lg, Trace, {name: node(name) for name in "abc"}, ["^ a", "^ b", "^ c"]).compile(), {})

    first, second = await run_with("abc"), await run_with("cba")
    return {"state": first["state"], "again": second["state"], "updates": first["updates"] + second["updates"]}


async def one_branch_fails_while_another_waits(lg):
    ended = []

    async def waits(state):
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("waits")

    async def fails(state):
        await asyncio.sleep(0.01)
        raise LookupError("gone")

    told = await arun(joined(lg, Trace, {"a": waits, "b": fails}, ["^ a", "^ b"]).compile(), {"trace": []})
    return {**told, "ended": ended}


def a_branch_that_ends_early(lg):
    nodes = {"a": leaves("a"), "b": leaves("b"), "b2": leaves("b2"), "b3": lambda state: {"n": len(state["trace"])}}
    return run(joined(lg, Count, nodes, ["^ a", "^ b", "a $", "b b2", "b2 b3"]).compile(), {"trace": []})
