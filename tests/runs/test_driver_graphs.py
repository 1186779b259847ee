"""Calls, sub graphs, joins and commands on a real loop: what runs, what it sees, and what the log tells of it."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict

import pytest

from riverrun import StateGraph
from riverrun.events.kinds import NodeCompleted, NodeFailed, NodeStarted, Send
from riverrun.graph.node import END, START, Command
from riverrun.graph.policies import collect, first_success, quorum
from riverrun.graph.replay import replay
from tests.graph.laws import texts
from tests.graph.play import RUN, through_json
from tests.runs.plans import State, graph, kinds, values
from tests.runs.ride import Ride, drive


async def end_of(made, **options):
    """Run a graph; give its log and its state, which a fold of the log must give too."""
    plan = made if not isinstance(made, StateGraph) else made.plan("graph")
    ride = await Ride(plan, **options).begin()
    log = await ride.end()
    state = ride.driver.machine.values()
    assert state == replay(plan, RUN, through_json(log)).values()
    return log, state


def started(log):
    return [event.exec for event in log if isinstance(event, NodeStarted)]


# --- calls ---


async def test_each_call_runs_with_an_input_of_its_own_and_what_follows_joins_them_once():
    async def work(state):
        return {"log": [state["n"] * 10]}

    async def join(state):
        return {"text": str(state["log"])}

    made = StateGraph(State).add_node(work).add_node(join).add_edge("work", "join")
    made.add_conditional_edges(START, lambda state: [Send("work", {"n": n}) for n in range(5)], ["work"])
    log, state = await end_of(made)
    assert ([f"work:{n}" for n in range(1, 6)] + ["join:1"], "[0, 10, 20, 30, 40]") == (started(log), state["text"])


async def test_calls_are_merged_in_the_order_they_were_made_however_long_they_take():
    turns = [asyncio.Event() for _ in range(4)]
    turns[3].set()

    async def work(state):
        n = state["n"]
        await turns[n].wait()
        if n:
            turns[n - 1].set()
        return {"log": [n]}

    made = StateGraph(State).add_node(work)
    made.add_conditional_edges(START, lambda state: [Send("work", {"n": n}) for n in range(4)], ["work"])
    log, state = await end_of(made)
    assert [0, 1, 2, 3] == state["log"]
    assert ["work:4", "work:3", "work:2", "work:1"] == [
        e.exec for e in log if isinstance(e, NodeCompleted) and e.writes
    ]


async def test_a_call_never_merges_with_a_trigger_of_the_same_node():
    async def first(state):
        return Command(update={"x": 1}, goto=[Send("work", {"n": "called"}), "work"])

    async def work(state):
        return {"log": [state.get("n", "triggered")]}

    made = StateGraph(State).add_node("first", first, destinations=["work"]).add_node(work).add_edge(START, "first")
    log, state = await end_of(made)
    assert (["triggered", "called"], 2) == (state["log"], started(log).count("work:1") + started(log).count("work:2"))


async def test_a_call_of_a_node_with_a_join_waits_for_nobody_and_cancels_nobody():
    slow = asyncio.Event()

    async def work(state):
        await slow.wait()
        return {"log": ["work"]}

    async def calls(state):
        return Command(goto=Send("join", {"n": 1}))

    async def join(state):
        slow.set()
        return {"log": [f"join {state.get('n')}"]}

    made = StateGraph(State).add_node(work).add_node("calls", calls, destinations=["join"])
    made.add_node("join", join, join=quorum(2)).add_node("other", lambda state: {})
    made.add_edge(START, "work").add_edge(START, "calls").add_edge(START, "other")
    made.add_edge("work", "join").add_edge("other", "join")
    log, state = await end_of(made)
    assert ("run.completed", 0) == (log[-1].type, kinds(log).count("node.cancelled"))
    assert ["join 1", "join None", "work"] == sorted(state["log"])


async def test_a_call_of_what_is_not_there_fails_the_node_by_name():
    async def node(state):
        return Command(goto=Send("nowhere", {}))

    log, _ = await end_of(StateGraph(State).add_node(node).add_edge(START, "node"))
    assert ("run.failed", "E3006", True) == (log[-1].type, log[-1].error.code, "nowhere" in log[-1].error.message)


async def test_a_called_sub_graph_begins_with_what_it_was_called_with():
    async def inner(state):
        return {"log": [f"{state['x']}{state.get('y')}"]}

    made = StateGraph(State).add_node("sub", StateGraph(State).add_node(inner).add_edge(START, "inner").compile())
    made.add_conditional_edges(START, lambda state: [Send("sub", {"x": n}) for n in range(3)], ["sub"])
    log, state = await end_of(made, input={"y": 7})
    assert ["0None", "1None", "2None"] == state["log"]
    assert {"sub:1/inner:1", "sub:2/inner:1", "sub:3/inner:1"} <= set(started(log))


# --- sub graphs ---


class Other(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]
    private: int


async def test_a_sub_graph_writes_what_changed_in_it_once_and_keeps_the_rest_to_itself():
    async def inner(state):
        assert {"log": ["before"]} == state
        return {"log": ["inner"], "private": 3}

    async def before(state):
        return {"log": ["before"], "x": 1}

    async def after(state):
        return {"log": [sorted(state)]}

    sub = StateGraph(Other).add_node(inner).add_edge(START, "inner").compile()
    log, state = await end_of(graph(before=before, sub=sub, after=after))
    assert ["before", "inner", ["log", "x"]] == state["log"]
    (own,) = [event for event in log if isinstance(event, NodeCompleted) and event.exec == "sub:1"]
    assert ({"log": ["inner"]},) == own.writes


async def test_text_that_a_sub_graph_adds_to_is_added_once():
    class Text(TypedDict, total=False):
        text: Annotated[str, operator.add]

    async def inner(state):
        return {"text": "b"}

    sub = StateGraph(Text).add_node(inner).add_edge(START, "inner").compile()
    _, state = await end_of(StateGraph(Text).add_node("sub", sub).add_edge(START, "sub"), input={"text": "a"})
    assert {"text": "ab"} == state


async def test_streams_of_graphs_within_graphs_are_told_live_with_their_place():
    turn = [asyncio.Event() for _ in range(3)]

    async def deep(state):
        await turn[0].wait()
        yield "deep"
        turn[1].set()

    async def beside(state):
        turn[0].set()
        await turn[1].wait()
        yield "beside"

    innermost = StateGraph(State).add_node("deep", deep, key="text").add_edge(START, "deep").compile()
    middle = StateGraph(State).add_node("inside", innermost).add_edge(START, "inside").compile()
    made = StateGraph(State).add_node("outside", middle).add_node("beside", beside)
    log, state = await end_of(made.add_edge(START, "outside").add_edge(START, "beside"))
    assert (["deep", "beside"], "deep") == (values(log), state["text"])
    (chunk,) = [event for event in log if event.type == "node.chunk" and event.node == "deep"]
    assert (("outside:1", "outside:1/inside:1"), "outside:1/inside:1/deep:1") == (chunk.ns, chunk.exec)


async def test_the_budget_is_that_of_the_whole_tree():
    sub = graph((START, "i"), ("i", "i"), i=lambda state: {"log": [1]}).compile()
    ride = await Ride(graph(first=lambda state: {}, sub=sub).plan("graph"), limit=10).begin()
    log = await ride.end()
    assert ("E3005", 10, 10) == (log[-1].error.code, log[-1].steps, len(started(log)))
    assert "'i'" in log[-1].error.message


async def test_a_stop_reaches_every_level():
    closed, began = [], asyncio.Event()

    async def deep(state):
        try:
            yield "half"
            began.set()
            await asyncio.Event().wait()
        finally:
            closed.append("deep")

    sub = StateGraph(State).add_node(deep).add_edge(START, "deep")
    for level in range(3):
        sub = StateGraph(State).add_node(f"level{level}", sub.compile()).add_edge(START, f"level{level}")
    ride = await Ride(sub.plan("graph")).begin()
    await began.wait()
    ride.driver.stop("enough")
    log = await ride.end()
    assert (["deep"], "run.stopped", 1) == (closed, log[-1].type, len(log[-1].partial))


async def test_a_failure_deep_inside_names_the_node_and_everything_around_it():
    async def deep(state):
        raise ValueError("deep down")

    sub = StateGraph(State).add_node(deep).add_edge(START, "deep").compile()
    log, _ = await end_of(StateGraph(State).add_node("sub", sub).add_edge(START, "sub"))
    failed = [event for event in log if isinstance(event, NodeFailed)]
    assert ["sub:1/deep:1", "sub:1"] == [event.exec for event in failed]
    assert {log[-1].error} == {event.error for event in failed}
    assert "'deep'" in log[-1].error.message


# --- commands ---


async def test_a_node_may_leave_its_sub_graph_and_what_still_runs_in_it_is_cancelled():
    began = asyncio.Event()

    async def leaver(state):
        await began.wait()
        return Command(graph=Command.PARENT, update={"x": 5}, goto="b")

    async def sibling(state):
        yield "half"
        began.set()
        await asyncio.Event().wait()

    async def never(state):
        raise AssertionError("nothing follows in a graph that was left")

    sub = StateGraph(State).add_node("leaver", leaver, destinations=()).add_node(sibling).add_node(never)
    sub.add_edge("leaver", "never")
    sub.add_edge(START, "leaver").add_edge(START, "sibling")
    made = StateGraph(State).add_node("sub", sub.compile(), destinations=["b", "c"]).add_edge(START, "sub")
    made.add_node("b", lambda state: {"log": ["b"]}).add_node("c", lambda state: {"log": ["c"]})
    log, state = await end_of(made)
    assert (5, ["b"], {}) == (state["x"], state["log"], texts(log))
    (cancelled,) = [event for event in log if event.type == "node.cancelled"]
    assert ("left", ("sub:1/sibling:1",)) == (cancelled.reason, cancelled.voids)


async def test_the_outermost_graph_cannot_be_left():
    async def node(state):
        return Command(graph=Command.PARENT)

    log, _ = await end_of(StateGraph(State).add_node(node).add_edge(START, "node"))
    assert ("run.failed", "E3019") == (log[-1].type, log[-1].error.code)


async def test_what_a_leaving_node_writes_is_checked_by_the_graph_around_it():
    async def leaver(state):
        return Command(graph=Command.PARENT, update={"private": 1})

    sub = StateGraph(Other).add_node(leaver).add_edge(START, "leaver").compile()
    log, _ = await end_of(StateGraph(State).add_node("sub", sub).add_edge(START, "sub"))
    assert ("E3003", True) == (log[-1].error.code, "'private'" in log[-1].error.message)


async def test_a_node_may_be_followed_by_its_edges_its_router_and_what_it_chose():
    async def node(state):
        return Command(goto="chosen")

    made = StateGraph(State).add_node("node", node, destinations=["chosen"]).add_edge(START, "node")
    for name in ("chosen", "routed", "plain"):
        made.add_node(name, lambda state, ctx: {"log": [ctx.node]})
    made.add_edge("node", "plain").add_conditional_edges(
        "node", lambda state: ["routed", "chosen"], ["routed", "chosen"]
    )
    log, state = await end_of(made)
    assert (["plain", "chosen", "routed"], 4) == (state["log"], log[-1].steps)


async def test_several_commands_at_once_write_in_order_and_go_everywhere():
    async def node(state):
        return [Command(update={"log": [1]}, goto="b"), Command(update={"log": [2]}, goto=[Send("b", {"x": 9})])]

    async def b(state):
        return {"log": [state.get("x")]}

    made = StateGraph(State).add_node("node", node, destinations=["b"]).add_node(b).add_edge(START, "node")
    _, state = await end_of(made)
    assert [1, 2, None, 9] == state["log"]


# --- joins ---


def fails(error):
    async def node(state):
        yield "half "
        raise error

    return node


def joined(join, **nodes):
    """Declare nodes side by side that lead to a join, which tells who failed."""

    async def last(state, ctx):
        return {"text": "+".join(f"{failure.node}:{failure.error.kind}" for failure in ctx.failures)}

    made = graph(*((START, name) for name in nodes), **nodes).add_node("last", last, join=join)
    for name in nodes:
        made.add_edge(name, "last")
    return made


async def test_a_join_that_collects_is_told_which_branches_failed():
    made = joined(collect(), a=fails(ValueError("a")), b=lambda state: {"log": ["b"]}, c=fails(KeyError("c")))
    log, state = await end_of(made)
    assert ("a:ValueError+c:KeyError", ["b"], {}) == (state["text"], state["log"], texts(log))
    assert [True, True] == [event.tolerated for event in log if isinstance(event, NodeFailed)]
    assert "run.completed" == log[-1].type


async def test_what_a_failed_branch_wrote_before_it_failed_counts_and_the_rest_does_not():
    async def good(state):
        return {"log": ["good"]}

    made = graph((START, "good"), (START, "b"), ("good", "bad"), good=good, bad=fails(ValueError()), b=lambda state: {})

    async def last(state, ctx):
        return {"text": str(state["log"])}

    made.add_node("last", last, join=collect()).add_edge("bad", "last").add_edge("b", "last")
    _, state = await end_of(made)
    assert "['good']" == state["text"]


async def test_the_first_success_wins_whatever_has_failed_before():
    failed = asyncio.Event()

    async def bad(state):
        failed.set()
        raise ValueError

    async def good(state):
        await failed.wait()
        return {"x": 1}

    log, state = await end_of(joined(first_success(), a=bad, b=good))
    assert (1, "a:ValueError", "run.completed") == (state["x"], state["text"], log[-1].type)


async def test_a_quorum_waits_for_as_many_as_it_needs_and_no_more():
    gate = [asyncio.Event() for _ in range(3)]

    def waits(place):
        async def node(state):
            await gate[place].wait()
            return {"log": [place]}

        return node

    ride = await Ride(joined(quorum(2), a=waits(0), b=waits(1), c=waits(2)).plan("graph")).begin()
    gate[2].set()
    await ride.until("node.completed")
    assert "last:1" not in started(await ride.log())
    gate[0].set()
    log = await ride.end()
    assert (["b:1"], [0, 2]) == (
        [event.exec for event in log if event.type == "node.cancelled"],
        ride.driver.machine.values()["log"],
    )


@pytest.mark.parametrize("join", [first_success(), quorum(2)], ids=["first", "quorum"])
async def test_when_too_few_arrive_well_the_run_fails_and_says_why(join):
    log, _ = await end_of(joined(join, a=fails(ValueError("first")), b=fails(KeyError("second"))))
    assert ("run.failed", "E3017") == (log[-1].type, log[-1].error.code)
    assert "first" in log[-1].error.message
    assert "second" in log[-1].error.message


async def test_a_node_that_every_way_to_a_join_leads_through_may_not_fail_whoever_else_is_under_way():
    for slow in (True, False):
        gate = asyncio.Event()

        async def aside(state, gate=gate):
            await gate.wait()

        async def bad(state, gate=gate, slow=slow):
            if not slow:
                gate.set()
                await asyncio.sleep(0)
            raise ValueError

        made = graph((START, "aside"), (START, "bad"), aside=aside, bad=bad)
        made.add_node("last", lambda state: {}, join=collect()).add_edge("bad", "last")
        log = await drive(made.plan("graph"))
        assert ("run.failed", "E3001") == (log[-1].type, log[-1].error.code)


# --- bad input ---


async def test_a_stream_that_fails_half_way_fails_its_node_and_keeps_its_text():
    async def words():
        yield "so "
        yield "far"
        raise ValueError("no more")

    log, state = await end_of(graph(a=lambda state: {"text": words(), "x": 1}))
    assert ({"a:1/text": "so far"}, ("a:1/text",)) == (texts(log), log[-1].partial)
    assert (None, None, "E3001") == (state.get("text"), state.get("x"), log[-1].error.code)
    assert "no more" in log[-1].error.message


async def test_generators_within_generators_are_one_stream():
    def inmost():
        yield "c"
        yield "d"

    async def inner():
        yield "b"
        yield inmost()
        yield "e"

    async def node(state):
        yield "a"
        yield inner()
        yield "f"

    made = StateGraph(State).add_node("a", node, key="text").add_edge(START, "a")
    log, state = await end_of(made)
    assert ([*"abcdef"], "abcdef") == (values(log), state["text"])


async def test_an_inner_generator_that_fails_closes_those_around_it():
    closed = []

    async def inner():
        yield "b"
        raise ValueError

    async def node(state):
        try:
            yield "a"
            yield inner()
        finally:
            closed.append("outer")

    log, _ = await end_of(graph(a=node))
    assert (["outer"], ["a", "b"], "run.failed") == (closed, values(log), log[-1].type)


async def test_a_loop_without_end_ends_at_its_limit_with_its_state_kept():
    ride = await Ride(graph((START, "a"), ("a", "a"), a=lambda state: {"log": [1]}).plan("graph"), limit=20).begin()
    log = await ride.end()
    assert ("E3005", [1] * 20) == (log[-1].error.code, ride.driver.machine.values()["log"])
    assert "recursion_limit" in log[-1].error.mend


def damages(old, new):
    """Change what it is given, as no reducer may."""
    old.append(new)
    return old


def refuses(old, new):
    """Raise."""
    raise ZeroDivisionError


async def test_a_reducer_that_changes_what_it_is_given_harms_nobody():
    class Kept(TypedDict, total=False):
        kept: Annotated[list[Any], damages]

    seen = []

    async def looks(state):
        seen.append(list(state["kept"]))

    made = StateGraph(Kept).add_node("a", lambda state: {"kept": 1}).add_node("b", lambda state: {"kept": 2})
    made.add_node(looks).add_edge(START, "a").add_edge(START, "b").add_edge("a", "looks").add_edge("b", END)
    _, state = await end_of(made, input={"kept": 0})
    assert ([[0, 1]], [0, 1, 2]) == (seen, state["kept"])


async def test_a_reducer_that_raises_fails_the_node_that_wrote_and_names_the_key():
    class Kept(TypedDict, total=False):
        kept: Annotated[list[Any], refuses]

    log, _ = await end_of(StateGraph(Kept).add_node("a", lambda state: {"kept": 1}).add_edge(START, "a"))
    assert ("E3007", "key 'kept'") == (log[-1].error.code, log[-1].error.where)
