"""LangGraph's stream modes over real runs: every shape, what each mode says, and that nothing is said twice or lost."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import InputError
from riverrun.events.kinds import Event, NodeCompleted, NodeRetrying, RunInterrupted
from riverrun.face.compiled import CompiledGraph
from riverrun.face.interrupt import Interrupt
from riverrun.face.modes import MODES, VERSIONS, Modes
from riverrun.face.parts import MessageChunk
from riverrun.face.run import Run
from riverrun.face.state_graph import StateGraph
from riverrun.graph.node import END, START, Command
from riverrun.graph.policies import CachePolicy, RetryPolicy
from riverrun.graph.reducers import Overwrite
from riverrun.runs.context import interrupt
from tests.runs.plans import State, compiled, graph, parallel


def put(**update: Any):
    async def node(state):
        return update

    return node


async def nothing(state):
    """Write nothing."""


async def talking(state, ctx):
    ctx.stream_writer({"n": 1})
    ctx.emit("score", 2)
    return {"x": 1, "log": ["a"]}


async def speaking(state):
    yield "he"
    yield "llo"
    yield {"x": 5}


async def asking(state):
    return {"log": [interrupt("sure?")]}


INNER = compiled(i=put(log=["i"]), j=talking)


async def log_of(run: Run) -> list[Event]:
    """Read what a run has said when it has ended or waits."""
    await run.settled()
    log: list[Event] = []
    async for event in run.events():
        log.append(event)
        if event.seq == run.head:
            break
    return log


async def ran(made: CompiledGraph, given: Any = None, config: Any = None) -> list[Event]:
    run = await made.start({"x": 0} if given is None else given, config)
    log = await log_of(run)
    if run.parked:
        await run.stop()
    return log


def read(made: CompiledGraph, log: list[Event], modes: Any, **options: Any) -> list[Any]:
    view = Modes(made.plan, modes, **options)
    return [part for event in log for part in view.take(event)]


# --- shapes ---

NESTED = graph(a=talking, outer=INNER, say=speaking).compile()
O = ("outer:1",)  # noqa: E741  # it is where it comes from
IN = {"x": 0, "log": []}  # what most runs begin with
ALL: dict[str, list[tuple[tuple[str, ...], Any]]] = {
    "values": [
        ((), IN),
        ((), {"x": 1, "log": ["a"]}),
        (O, {"x": 1, "log": ["a"]}),
        (O, {"x": 1, "log": ["a", "i"]}),
        (O, {"x": 1, "log": ["a", "i", "a"]}),
        ((), {"x": 1, "log": ["a", "i", "a"]}),
        ((), {"x": 5, "log": ["a", "i", "a"]}),
    ],
    "updates": [
        ((), {"a": {"x": 1, "log": ["a"]}}),
        (O, {"i": {"log": ["i"]}}),
        (O, {"j": {"x": 1, "log": ["a"]}}),
        ((), {"outer": {"log": ["i", "a"]}}),
        ((), {"say": {"x": 5}}),
    ],
    "custom": [((), {"n": 1}), ((), {"score": 2}), (O, {"n": 1}), (O, {"score": 2})],
    "messages": [((), (MessageChunk("he", "say:1"), "say")), ((), (MessageChunk("llo", "say:1"), "say"))],
    "tasks": [
        ((), ("a", None)),
        ((), ("a", {"x": 1, "log": ["a"]})),
        ((), ("outer", None)),
        (O, ("i", None)),
        (O, ("i", {"log": ["i"]})),
        (O, ("j", None)),
        (O, ("j", {"x": 1, "log": ["a"]})),
        ((), ("outer", {"log": ["i", "a"]})),
        ((), ("say", None)),
        ((), ("say", {"x": 5})),
    ],
    "checkpoints": [],  # the run is in no thread
}
ALL["debug"] = ALL["tasks"]


def short(mode: str, data: Any) -> Any:
    """Give of a part what the table above says of it."""
    if mode == "messages":
        return (data[0], data[1]["langgraph_node"])
    if mode == "debug":
        assert {"step", "timestamp", "type", "payload"} == set(data)
        assert ("result" in data["payload"]) == (data["type"] == "task_result")
        data = data["payload"]
    return (data["name"], data.get("result")) if mode in ("tasks", "debug") else data


def bare(part: Any, mode: str, *, listed: bool, subgraphs: bool, version: str) -> tuple[tuple[str, ...], Any]:
    """Take a part out of its shape, which must be the one that was asked for."""
    if version == "v2":
        keys = {"type", "ns", "data", "interrupts"} if mode == "values" else {"type", "ns", "data"}
        assert keys == set(part)
        assert mode == part["type"]
        assert () == part.get("interrupts", ())
        return part["ns"], short(mode, part["data"])
    if subgraphs:
        ns, *part = part
        part = tuple(part) if listed else part[0]
    else:
        ns = ()
    if listed:
        named, part = part
        assert mode == named
    return ns, short(mode, part)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("subgraphs", [False, True])
@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("mode", MODES)
async def test_every_mode_has_its_shape(mode, listed, subgraphs, version):
    log = await ran(NESTED)
    parts = read(NESTED, log, [mode] if listed else mode, subgraphs=subgraphs, version=version)
    found = [bare(part, mode, listed=listed, subgraphs=subgraphs, version=version) for part in parts]
    assert [each for each in ALL[mode] if subgraphs or each[0] == ()] == found


@pytest.mark.parametrize("subgraphs", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
async def test_several_modes_are_the_parts_of_each_in_the_order_of_the_log(version, subgraphs):
    log = await ran(NESTED)
    views = {mode: Modes(NESTED.plan, [mode], subgraphs=subgraphs, version=version) for mode in MODES}
    together = Modes(NESTED.plan, MODES, subgraphs=subgraphs, version=version)
    for event in log:
        parts = together.take(event)
        for mode, view in views.items():
            of_mode = [each for each in parts if mode == (each["type"] if version == "v2" else each[-2])]
            assert view.take(event) == of_mode
            parts = [each for each in parts if each not in of_mode]
        assert [] == parts


async def test_an_update_comes_before_the_values_that_it_makes():
    log = await ran(compiled(a=put(x=1)))
    expected = [("values", IN), ("updates", {"a": {"x": 1}}), ("values", {**IN, "x": 1})]
    assert expected == read(compiled(a=put(x=1)), log, ["updates", "values"])


async def test_the_mode_can_be_named_with_one_and_left_out_with_several():
    made = compiled(a=put(x=1))
    log = await ran(made)
    assert [("updates", {"a": {"x": 1}})] == read(made, log, "updates", listed=True)
    assert [IN, {"a": {"x": 1}}, {**IN, "x": 1}] == read(made, log, ["updates", "values"], listed=False)


@pytest.mark.parametrize("modes", ["nope", ["values", "nope"], [None]], ids=str)
def test_an_unknown_mode_is_refused_with_those_that_there_are(modes):
    with pytest.raises(InputError) as caught:
        Modes(NESTED.plan, modes)
    assert "E6006" == caught.value.code
    for mode in MODES:
        assert mode in caught.value.mend


def test_an_unknown_version_is_refused_with_those_that_there_are():
    with pytest.raises(InputError) as caught:
        Modes(NESTED.plan, "values", version="v3")
    assert "E6006" == caught.value.code
    assert "v1, v2" in caught.value.mend


async def test_no_mode_gives_nothing():
    assert [] == read(NESTED, await ran(NESTED), [])


# --- values and updates ---


async def test_nodes_side_by_side_give_one_value_each():
    made = parallel(a=put(log=["a"]), b=put(log=["b"])).compile()
    log = await ran(made)
    first = next(event.node for event in log if isinstance(event, NodeCompleted))
    expected = [IN, {"x": 0, "log": [first]}, {"x": 0, "log": ["a", "b"]}]
    assert expected == read(made, log, "values")


async def test_a_node_that_writes_nothing_has_an_update_of_none_and_no_value():
    made = compiled(a=put(), b=nothing, c=put(x=1))
    log = await ran(made)
    assert [{"a": None}, {"b": None}, {"c": {"x": 1}}] == read(made, log, "updates")
    assert [IN, {**IN, "x": 1}] == read(made, log, "values")


async def test_an_input_of_nothing_has_no_value():
    made = compiled(a=put(x=1))
    assert [{"x": 1, "log": []}] == read(made, await ran(made, {}), "values")


async def test_all_keys_are_shown_also_where_a_result_has_fewer():
    class Less(TypedDict):
        x: int

    made = StateGraph(State, output_schema=Less).add_node("a", put(x=1, y=2)).add_edge(START, "a").compile()
    run = await made.start({})
    assert [{"x": 1, "y": 2, "log": []}] == read(made, await log_of(run), "values")
    assert {"x": 1} == await run.result()


async def test_the_fold_of_a_stream_is_its_value_and_several_updates_are_one():
    async def text():
        yield "he"
        yield "llo"

    async def node(state):
        yield {"log": [1]}
        yield {"x": 1}
        yield {"log": [2]}
        yield {"x": 2}

    async def mapping(state):
        return {"text": text(), "y": 3}

    made = compiled(a=mapping, b=node)
    log = await ran(made)
    assert [{"a": {"y": 3, "text": "hello"}}, {"b": {"log": [1, 2], "x": 2}}] == read(made, log, "updates")
    assert {"x": 2, "y": 3, "text": "hello", "log": [1, 2]} == read(made, log, "values")[-1]


async def test_an_overwrite_is_shown_as_one():
    made = compiled(a=put(log=Overwrite([9])))
    log = await ran(made, {"log": [1]})
    assert [{"a": {"log": Overwrite([9])}}] == read(made, log, "updates")
    assert [{"log": [1]}, {"log": [9]}] == read(made, log, "values")


async def test_a_cached_node_is_marked():
    calls = []

    async def node(state):
        calls.append(1)
        return {"y": 2}

    made = StateGraph(State).add_node("a", node, cache_policy=CachePolicy())
    built = made.add_edge(START, "a").compile()
    assert [{"a": {"y": 2}}] == read(built, await ran(built), "updates")
    log = await ran(built)
    assert [{"a": {"y": 2}, "__metadata__": {"cached": True}}] == read(built, log, "updates")
    assert [IN, {**IN, "y": 2}] == read(built, log, "values")
    assert [1] == calls


async def test_who_leaves_a_sub_graph_lets_that_write():
    async def leaving(state):
        return Command(graph=Command.PARENT, update={"x": 9}, goto="z")

    inner: Any = compiled(i=leaving)
    built = StateGraph(State).add_node("outer", inner, destinations=["z"])
    made = built.add_node("z", nothing).add_edge(START, "outer").compile()
    log = await ran(made)
    assert [((), {"outer": {"x": 9}}), ((), {"z": None})] == read(made, log, "updates", subgraphs=True)
    assert [((), IN), (O, IN), ((), {**IN, "x": 9})] == read(made, log, "values", subgraphs=True)


async def test_where_routers_lead_is_no_update():
    made = graph(("a", END), a=put(x=1))
    made.add_conditional_edges(START, lambda state: "a", ["a"])
    built = made.compile()
    assert [{"a": {"x": 1}}] == read(built, await ran(built), "updates")


async def test_a_sub_graph_in_a_sub_graph_is_named_by_both():
    made = compiled(out=compiled(mid=INNER))
    updates = read(made, await ran(made), "updates", subgraphs=True)
    inside = ("out:1", "mid:1")
    assert [inside, inside, ("out:1",), ()] == [ns for ns, _ in updates]
    assert {"log": ["i", "a"], "x": 1} == updates[-1][1]["out"]


class Summed(TypedDict, total=False):
    """Reducers that do not care and reducers that do, and a key without one."""

    x: Any
    log: Annotated[list[int], operator.add]
    most: Annotated[int, max]
    text: Annotated[str, operator.add]


WRITES = st.fixed_dictionaries(
    {},
    optional={
        "x": st.integers(0, 9),
        "log": st.one_of(st.lists(st.integers(0, 9), max_size=2), st.builds(Overwrite, st.just([0]))),
        "most": st.integers(0, 9),
        "text": st.text("ab", max_size=2),
    },
)


@given(WRITES, st.lists(st.tuples(st.lists(WRITES, max_size=3), st.lists(st.text("ab"), max_size=2)), max_size=4))
def test_the_updates_of_nodes_in_a_row_add_up_to_the_last_values(given, nodes):
    def node_of(updates, pieces):
        async def node(state):
            for each in (*updates, *pieces):
                yield each

        return node

    made = StateGraph(Summed)
    names = [START]
    for number, (updates, pieces) in enumerate(nodes):
        name = f"n{number}"
        made.add_node(name, node_of(updates, pieces), key="text" if pieces else None)
        made.add_edge(names[-1], name)
        names.append(name)
    built = made.add_edge(names[-1], END).compile()
    if isinstance(given.get("log"), Overwrite):
        del given["log"]
    log = asyncio.run(ran(built, given))
    assert "run.completed" == log[-1].type
    empty = {"log": [], "most": 0, "text": ""}
    state = built.plan.schema.write(empty, [given])
    shown = [state] if given else []
    for part in read(built, log, "updates"):
        [(_, update)] = part.items()
        if update is not None:
            state = built.plan.schema.write(state, update if isinstance(update, list) else [update])
            shown.append(state)
    assert shown == read(built, log, "values")


# --- what a run waits for ---


async def test_every_question_is_shown_once_the_run_waits():
    made = parallel(p=asking, q=asking).compile()
    log = await ran(made)
    waits = next(event for event in log if isinstance(event, RunInterrupted))
    one, other = (Interrupt("sure?", each.id) for each in waits.questions)
    assert {"p:1?1", "q:1?1"} == {one.id, other.id}
    assert [{"__interrupt__": (one,)}, {"__interrupt__": (other,)}] == read(made, log, "updates")
    waiting = [{**IN, "__interrupt__": (each,)} for each in (one, other)]
    assert [IN, *waiting] == read(made, log, "values")
    versions = read(made, log, "values", version="v2")
    assert [((), IN), ((one,), IN), ((other,), IN)] == [(each["interrupts"], each["data"]) for each in versions]


async def test_a_question_in_a_sub_graph_is_shown_there_and_in_the_graphs_around_it():
    made = compiled(outer=compiled(ask=asking))
    log = await ran(made)
    asked = {"__interrupt__": (Interrupt("sure?", "outer:1/ask:1?1"),)}
    assert [asked] == read(made, log, "updates")
    assert [(O, asked), ((), asked)] == read(made, log, "updates", subgraphs=True)
    values = [((), IN), (O, IN), (O, {**IN, **asked}), ((), {**IN, **asked})]
    assert values == read(made, log, "values", subgraphs=True)


@pytest.mark.parametrize("holds", [{"interrupt_before": ["b"]}, {"interrupt_after": ["a"]}], ids=str)
async def test_a_hold_asks_nothing(holds):
    made = graph(a=put(x=1), b=put(x=2)).compile(**holds)
    log = await ran(made)
    assert [{"a": {"x": 1}}, {"__interrupt__": ()}] == read(made, log, "updates")
    assert [IN, {**IN, "x": 1}] == read(made, log, "values")
    assert ["a", "a"] == [each["name"] for each in read(made, log, "tasks")]


async def test_who_comes_with_an_answer_sees_only_what_follows_it():
    made = compiled(a=put(y=1), outer=compiled(ask=asking), z=put(x=2))
    run = await made.start({"x": 0})
    before = await log_of(run)
    await run.resume("yes")
    after = (await log_of(run))[len(before) :]
    expected = [(O, {"ask": {"log": ["yes"]}}), ((), {"outer": {"log": ["yes"]}}), ((), {"z": {"x": 2}})]
    assert expected == read(made, after, "updates", subgraphs=True, before=before)
    values = [
        ((), {**IN, "y": 1}),
        (O, {**IN, "y": 1}),
        (O, {"x": 0, "y": 1, "log": ["yes"]}),
        ((), {"x": 0, "y": 1, "log": ["yes"]}),
        ((), {"x": 2, "y": 1, "log": ["yes"]}),
    ]
    assert values == read(made, after, "values", subgraphs=True, before=before)
    tasks = read(made, after, "tasks", subgraphs=True, before=before)
    assert ["ask", "ask", "outer", "z", "z"] == [each["name"] for _, each in tasks]
    assert {**IN, "y": 1} == tasks[0][1]["input"]


# --- attempts, failures, ends ---


async def test_text_of_a_void_attempt_was_seen_and_says_which_attempt_it_was():
    tries = []

    async def node(state):
        tries.append(1)
        yield f"try {len(tries)}"
        if len(tries) == 1:
            raise ValueError("once")

    made = StateGraph(State).add_node(
        "a", node, key="text", retry_policy=RetryPolicy(initial_interval=0.0, jitter=False, retry_on=ValueError)
    )
    built = made.add_edge(START, "a").compile()
    log = await ran(built)
    assert [("a:1/text",)] == [event.voids for event in log if isinstance(event, NodeRetrying)]
    pieces = [(piece.content, piece.id, about["attempt"]) for piece, about in read(built, log, "messages")]
    assert [("try 1", "a:1/text", 1), ("try 2", "a:1/text", 2)] == pieces
    assert [{"a": {"text": "try 2"}}] == read(built, log, "updates")
    assert ["a", "a"] == [each["name"] for each in read(built, log, "tasks")]


async def test_a_sub_graph_that_begins_anew_shows_its_values_anew():
    tries = []

    async def once(state):
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("once")

    inner: Any = compiled(i=put(log=["i"]), j=once)
    made = StateGraph(State).add_node(
        "outer", inner, retry_policy=RetryPolicy(initial_interval=0.0, jitter=False, retry_on=ValueError)
    )
    built = made.add_edge(START, "outer").compile()
    inside = [(O, IN), (O, {"x": 0, "log": ["i"]})]
    values = read(built, await ran(built), "values", subgraphs=True)
    assert [((), IN), *inside, *inside, ((), {"x": 0, "log": ["i"]})] == values


async def test_a_failure_is_the_end_of_its_task_and_nothing_else():
    async def boom(state):
        raise ValueError("no")

    made = compiled(a=boom)
    log = await ran(made)
    begun, failed = read(made, log, "tasks")
    assert {"id": "a:1", "name": "a", "input": IN, "triggers": ()} == begun
    assert ("ValueError", {}, []) == (failed["error"].kind, failed["result"], failed["interrupts"])
    assert [] == read(made, log, "updates")
    assert [IN] == read(made, log, "values")


async def test_a_question_is_the_end_of_its_task_for_now():
    made = compiled(a=asking)
    _, asked = read(made, await ran(made), "tasks")
    assert [{"value": "sure?", "id": "a:1?1", "response_schema": None}] == asked["interrupts"]


async def test_what_nodes_finish_after_a_stop_is_shown():
    began, go = asyncio.Event(), asyncio.Event()

    async def stubborn(state):
        began.set()
        try:
            await go.wait()
        except asyncio.CancelledError:
            return {"log": ["late"]}

    made = graph((START, "a"), (START, "b"), ("a", "c"), ("b", "c"), a=stubborn, b=stubborn, c=put(log=["c"])).compile()
    run = await made.start({"x": 0})
    await began.wait()
    await run.stop()
    log = await log_of(run)
    assert "run.stopped" == log[-1].type
    assert [{"a": {"log": ["late"]}}, {"b": {"log": ["late"]}}] == read(made, log, "updates")
    assert {"x": 0, "log": ["late", "late"]} == read(made, log, "values")[-1]


# --- places in a thread ---


async def test_checkpoints_are_places_of_the_thread_each_with_the_one_before():
    made = compiled(a=put(x=1), outer=INNER)
    log = await ran(made, {"x": 0}, {"configurable": {"thread_id": "t"}})
    places = read(made, log, "checkpoints")
    assert [-1, 0, 1, 2] == [each["metadata"]["step"] for each in places]
    assert ["input", "loop", "loop", "loop"] == [each["metadata"]["source"] for each in places]
    assert [["__start__"], ["a"], ["outer"], []] == [each["next"] for each in places]
    assert [{}, IN, {**IN, "x": 1}, {"x": 1, "log": ["i", "a"]}] == [each["values"] for each in places]
    assert [None, *[each["config"] for each in places[:-1]]] == [each["parent_config"] for each in places]
    done = [0, 1, *[event.seq for event in log if event.type == "node.completed" and not event.ns]]
    ids = [each["config"]["configurable"]["checkpoint_id"] for each in places]
    assert [f"{log[0].run}.{seq}" for seq in done] == ids
    assert [{"id": "a:1", "name": "a", "interrupts": (), "state": None}] == places[1]["tasks"]
    debug = read(made, log, "debug")
    assert places == [each["payload"] for each in debug if each["type"] == "checkpoint"]


async def test_a_reader_who_comes_later_counts_checkpoints_on():
    made = compiled(a=put(x=1), b=put(x=2))
    log = await ran(made, {"x": 0}, {"configurable": {"thread_id": "t"}})
    whole = read(made, log, "checkpoints")
    for place in range(1, len(log)):
        [*first] = read(made, log[:place], "checkpoints")
        rest = read(made, log[place:], "checkpoints", before=log[:place])
        assert whole == [*first, *rest]


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "checkpoints"])
async def test_a_reader_who_comes_at_any_event_sees_the_rest_of_what_one_from_the_beginning_sees(mode):
    log = await ran(NESTED)
    whole = read(NESTED, log, mode, subgraphs=True)
    for place in range(len(log)):
        first = read(NESTED, log[:place], mode, subgraphs=True)
        assert whole == first + read(NESTED, log[place:], mode, subgraphs=True, before=log[:place])


async def test_a_run_on_the_state_of_another_shows_both():
    made = compiled(a=put(log=["a"]))
    log = await ran(made, {"log": ["in"]})
    shown = read(made, log, "values", base={"y": 1, "log": ["old"]})
    assert [{"y": 1, "log": ["old", "in"]}, {"y": 1, "log": ["old", "in", "a"]}] == shown


async def test_messages_and_custom_values_need_no_state_and_no_whole_log():
    log = await ran(NESTED)
    middle = [event for event in log if event.type not in ("run.started", "node.started", "node.completed")]
    assert read(NESTED, log, "messages") == read(NESTED, middle, "messages")
