"""Programs: what a reader may ask to see of a run, and what a node may ask of it."""

import asyncio
from dataclasses import dataclass
from typing import Any, TypedDict

from tests.differential.outcome import arun, error_of, failing, merged, plain, run, thread
from tests.differential.states import Count, Seen, Trace, joined, leaves, steps


def _chain(lg, **options):
    return joined(lg, Count, {"a": steps(), "b": leaves("b")}, ["^ a", "a b"]).compile(**options)


def the_mode_values(lg):
    return {"values": plain(list(_chain(lg).stream({"n": 0}, stream_mode="values")))}


def the_mode_updates(lg):
    return {"told": plain(list(_chain(lg).stream({"n": 0}, stream_mode="updates")))}


def several_modes(lg):
    return {"told": plain(list(_chain(lg).stream({"n": 0}, stream_mode=["values", "updates"])))}


def a_list_of_one_mode(lg):
    return {"told": plain(list(_chain(lg).stream({"n": 0}, stream_mode=["updates"])))}


async def modes_in_async_code(lg):
    return {"told": [plain(part) async for part in _chain(lg).astream({"n": 0}, stream_mode=["updates", "values"])]}


def the_second_form(lg):
    told = list(_chain(lg).stream({"n": 0}, stream_mode=["updates", "values"], version="v2"))
    return {"told": [[part["type"], plain(part["ns"]), plain(part["data"])] for part in told]}


def the_second_form_of_one_mode(lg):
    told = list(_chain(lg).stream({"n": 0}, stream_mode="values", version="v2"))
    return {"told": [[part["type"], plain(part["data"]), plain(part["interrupts"])] for part in told]}


def the_second_form_of_a_question(lg):
    graph = joined(lg, Trace, {"a": lambda state: {"trace": [lg.interrupt("a?")]}}, ["^ a"])
    told = graph.compile(checkpointer=lg.InMemorySaver()).stream(
        {"trace": []}, thread(), stream_mode=["updates", "values"], version="v2"
    )
    return {"parts": [[part["type"], plain(part["data"]), plain(part.get("interrupts"))] for part in told]}


def a_mode_in_which_nothing_is_said(lg):
    return {"told": plain(list(_chain(lg).stream({"n": 0}, stream_mode=["updates", "custom"])))}


def the_mode_messages_where_nobody_speaks(lg):
    one = list(_chain(lg).stream({"n": 0}, stream_mode="messages"))
    return {"told": plain(one), "more": plain(list(_chain(lg).stream({"n": 0}, stream_mode=["messages", "updates"])))}


def a_question_in_the_mode_updates(lg):
    graph = joined(lg, Trace, {"a": lambda state: {"trace": [lg.interrupt("a?")]}}, ["^ a"])
    told = graph.compile(checkpointer=lg.InMemorySaver()).stream({"trace": []}, thread(), stream_mode="updates")
    return {"told": plain(list(told))}


def values_of_a_fork_in_the_end(lg):
    graph = joined(lg, Seen, "a b c d", ["^ a", "a b", "a c", "b d", "c d"]).compile()
    return {"last": plain(list(graph.stream({}, stream_mode="values"))[-1])}


def updates_of_two_branches_are_told_one_by_one(lg):
    graph = joined(lg, Seen, "a b", ["^ a", "^ b"]).compile()
    return {"parts": plain(list(graph.stream({}, stream_mode="updates")))}


def invoked_with_a_mode(lg):
    return {"told": plain(_chain(lg).invoke({"n": 0}, stream_mode="updates"))}


def chosen_keys(lg):
    outcome: dict[str, Any] = {}
    with failing(outcome):
        outcome["told"] = plain(list(_chain(lg).stream({"n": 0}, stream_mode="values", output_keys=["n"])))
    return outcome


# --- what nodes emit ---


def a_writer_that_is_fetched(lg):
    def node(state):
        writer = lg.get_stream_writer()
        for number in range(3):
            writer({"number": number})
        return {"trace": ["a"]}

    return run(joined(lg, Trace, {"a": node}, ["^ a"]).compile(), {})


def a_writer_that_is_given(lg):
    def node(state, writer):
        writer("one")
        writer(["two", {"three": None}])
        return {"trace": ["a"]}

    return run(joined(lg, Trace, {"a": node}, ["^ a"]).compile(), {})


async def a_writer_in_async_code(lg):
    async def node(state, writer):
        writer("one")
        await asyncio.sleep(0)
        lg.get_stream_writer()("two")
        return {"trace": ["a"]}

    return await arun(joined(lg, Trace, {"a": node}, ["^ a"]).compile(), {})


def the_mode_custom_alone(lg):
    def node(state, writer):
        writer("one")
        writer("two")

    return {"told": plain(list(joined(lg, Trace, {"a": node}, ["^ a"]).compile().stream({}, stream_mode="custom")))}


def nobody_listens_to_a_writer(lg):
    def node(state, writer):
        writer("one")
        return {"trace": ["a"]}

    return {"state": plain(joined(lg, Trace, {"a": node}, ["^ a"]).compile().invoke({}))}


async def a_writer_in_a_thread(lg):
    async def node(state):
        def says():
            lg.get_stream_writer()("from a thread")

        await asyncio.to_thread(says)
        return {"trace": ["a"]}

    return await arun(joined(lg, Trace, {"a": node}, ["^ a"]).compile(), {})


def a_writer_of_two_branches(lg):
    def node(name):
        def says(state, writer):
            writer(name)
            return {"trace": [name]}

        return says

    return run(joined(lg, Trace, {"a": node("a"), "b": node("b")}, ["^ a", "^ b"]).compile(), {})


def a_writer_outside_of_a_node(lg):
    return {"refused": error_of(lg.get_stream_writer) is not None}


def what_was_written_before_an_error(lg):
    def node(state, writer):
        writer("before")
        raise LookupError("gone")

    return run(joined(lg, Trace, {"a": node}, ["^ a"]).compile(), {"trace": []})


# --- what nodes are given ---


def a_node_reads_its_config(lg):
    def node(state, config):
        return {"trace": [config["configurable"]["user"]]}

    return run(joined(lg, Trace, {"a": node}, ["^ a"]).compile(), {}, {"configurable": {"user": "Ann"}})


def a_node_reads_tags_and_metadata(lg):
    def node(state, config):
        return {"trace": [config["tags"], config["metadata"]["purpose"]]}

    config = {"tags": ["x"], "metadata": {"purpose": "test"}}
    return run(joined(lg, Trace, {"a": node}, ["^ a"]).compile(), {}, config)


def a_config_that_is_fetched(lg):
    def node(state):
        return {"trace": [lg.get_config()["configurable"]["user"]]}

    return run(joined(lg, Trace, {"a": node}, ["^ a"]).compile(), {}, {"configurable": {"user": "Ann"}})


def a_config_that_is_kept_with_the_graph(lg):
    def node(state, config):
        return {"trace": [config["configurable"]["user"]]}

    graph = joined(lg, Trace, {"a": node}, ["^ a"]).compile().with_config({"configurable": {"user": "Ann"}})
    return run(graph, {})


def a_router_reads_its_config(lg):
    def path(state, config):
        return config["configurable"]["goto"]

    builder = joined(lg, Trace, "a b c", ["^ a"])
    builder.add_conditional_edges("a", path, ["b", "c"])
    return run(builder.compile(), {}, {"configurable": {"goto": "c"}})


@dataclass
class Settings:
    """What a run is told beside its state."""

    user: str
    level: int = 3


class Plain(TypedDict):
    """The same as a mapping."""

    user: str


def a_node_reads_its_context(lg):
    def node(state, runtime: Any):
        return {"trace": [runtime.context.user, str(runtime.context.level)]}

    builder = lg.StateGraph(Trace, context_schema=Settings).add_node("a", node).add_edge(lg.START, "a")
    graph = builder.compile()
    return merged(run(graph, {}, context=Settings("Ann", 5)), run(graph, {}, context={"user": "Bob"}))


def a_context_that_is_a_mapping(lg):
    def node(state, runtime):
        return {"trace": [runtime.context["user"]]}

    builder = lg.StateGraph(Trace, context_schema=Plain).add_node("a", node).add_edge(lg.START, "a")
    return run(builder.compile(), {}, context={"user": "Ann"})


def a_run_without_a_context(lg):
    def node(state, runtime):
        return {"trace": [str(runtime.context)]}

    return run(joined(lg, Trace, {"a": node}, ["^ a"]).compile(), {})


def a_runtime_writes(lg):
    def node(state, runtime):
        runtime.stream_writer("from the runtime")
        return {"trace": ["a"]}

    return run(joined(lg, Trace, {"a": node}, ["^ a"]).compile(), {})


def a_node_takes_all_of_them(lg):
    def node(state, config, writer, runtime):
        writer(config["configurable"]["user"])
        runtime.stream_writer("too")
        return {"trace": ["a"]}

    return run(joined(lg, Trace, {"a": node}, ["^ a"]).compile(), {}, {"configurable": {"user": "Ann"}})


def a_node_takes_them_by_name(lg):
    def node(state, *, writer, config):
        writer(config["configurable"]["user"])
        return {"trace": ["a"]}

    return run(joined(lg, Trace, {"a": node}, ["^ a"]).compile(), {}, {"configurable": {"user": "Ann"}})
