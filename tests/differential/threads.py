"""Programs: runs that share a state one after another, and what can be seen and changed of it."""

from tests.differential.outcome import error_of, look, merged, plain, run, thread
from tests.differential.states import Count, Pair, Trace, joined, leaves, steps


def _counting(lg, **options):
    """Make a graph of two nodes that count, which keeps its threads."""
    nodes = {"a": steps(), "b": steps()}
    return joined(lg, Count, nodes, ["^ a", "a b"]).compile(checkpointer=lg.InMemorySaver(), **options)


def _past(graph, config):
    """Tell the history of a thread, newest first."""
    return [[plain(one.values), sorted(one.next)] for one in graph.get_state_history(config)]


def a_thread_keeps_its_state(lg):
    graph = joined(lg, Trace, "a", ["^ a"]).compile(checkpointer=lg.InMemorySaver())
    return merged(*(run(graph, {"trace": [word]}, thread()) for word in ("one", "two")))


def an_input_only_changes_what_it_names(lg):
    nodes = {"a": lambda state: {"y": state["x"] + state.get("y", 0)}}
    graph = joined(lg, Pair, nodes, ["^ a"]).compile(checkpointer=lg.InMemorySaver())
    return merged(run(graph, {"x": 1, "y": 1}, thread()), run(graph, {"x": 5}, thread()))


def two_threads_know_nothing_of_each_other(lg):
    graph = _counting(lg)
    runs = [run(graph, {"n": number}, thread(name)) for name, number in (("x", 1), ("y", 10))]
    return merged(*runs, look(graph, thread("x")), look(graph, thread("y")))


def two_graphs_share_a_checkpointer(lg):
    saver = lg.MemorySaver()
    one = joined(lg, Count, {"a": steps()}, ["^ a"]).compile(checkpointer=saver)
    two = joined(lg, Count, {"b": steps()}, ["^ b"]).compile(checkpointer=saver)
    one.invoke({"n": 0}, thread())
    return run(two, {"trace": ["more"]}, thread())


def two_graphs_with_threads_of_their_own_share_a_checkpointer(lg):
    saver = lg.InMemorySaver()
    one = joined(lg, Count, {"a": steps()}, ["^ a"]).compile(checkpointer=saver)
    two = joined(lg, Count, {"b": steps()}, ["^ b"]).compile(checkpointer=saver)
    runs = [
        run(one, {"n": 0}, thread("x")),
        run(two, {"n": 10}, thread("y")),
        run(one, {"trace": ["more"]}, thread("x")),
    ]
    return merged(*runs, look(two, thread("y")))


def a_graph_that_was_compiled_anew_finds_its_threads(lg):
    saver = lg.InMemorySaver()
    builder = joined(lg, Count, {"a": steps()}, ["^ a"])
    builder.compile(checkpointer=saver).invoke({"n": 0}, thread())
    return run(builder.compile(checkpointer=saver), {"trace": ["more"]}, thread())


def a_thread_goes_on_when_its_graph_has_grown(lg):
    saver = lg.InMemorySaver()
    joined(lg, Count, {"a": steps()}, ["^ a"]).compile(checkpointer=saver).invoke({"n": 0}, thread())
    grown = joined(lg, Count, {"a": steps(), "b": steps()}, ["^ a", "a b"]).compile(checkpointer=saver)
    return run(grown, {"trace": ["more"]}, thread())


def going_on_where_there_is_nothing_left(lg):
    graph = _counting(lg)
    graph.invoke({"n": 0}, thread())
    return {"state": plain(graph.invoke(None, thread()))}


def a_thread_that_never_was(lg):
    return look(_counting(lg), thread())


def a_thread_that_is_done(lg):
    graph = _counting(lg)
    graph.invoke({"n": 0}, thread())
    return look(graph, thread())


async def a_thread_in_async_code(lg):
    graph = _counting(lg)
    await graph.ainvoke({"n": 0}, thread())
    found = await graph.aget_state(thread())
    past = [plain(one.values) async for one in graph.aget_state_history(thread())]
    await graph.aupdate_state(thread(), {"n": 70})
    edited = await graph.aget_state(thread())
    return {"state": plain(found.values), "next": list(found.next), "past": past, "edited": plain(edited.values)}


def without_a_thread_id_nothing_can_be_kept(lg):
    return {"refused": error_of(_counting(lg).invoke, {"n": 0}) is not None}


def the_history_of_a_chain(lg):
    graph = _counting(lg)
    graph.invoke({"n": 0}, thread())
    return {"history": _past(graph, thread())}


def the_history_of_two_runs(lg):
    graph = _counting(lg)
    graph.invoke({"n": 0}, thread())
    graph.invoke({"n": 10}, thread())
    return {"history": _past(graph, thread())}


def a_limited_history(lg):
    graph = _counting(lg)
    graph.invoke({"n": 0}, thread())
    return {"history": [plain(one.values) for one in graph.get_state_history(thread(), limit=2)]}


def a_thread_is_edited(lg):
    graph = _counting(lg)
    graph.invoke({"n": 0}, thread())
    graph.update_state(thread(), {"n": 50})
    return merged(look(graph, thread()), run(graph, {"trace": ["more"]}, thread()))


def an_edit_passes_the_reducers(lg):
    graph = joined(lg, Trace, "a", ["^ a"]).compile(checkpointer=lg.InMemorySaver())
    graph.invoke({"trace": []}, thread())
    graph.update_state(thread(), {"trace": ["edited"]})
    return look(graph, thread())


def an_edit_overwrites(lg):
    graph = joined(lg, Trace, "a", ["^ a"]).compile(checkpointer=lg.InMemorySaver())
    graph.invoke({"trace": []}, thread())
    graph.update_state(thread(), {"trace": lg.Overwrite(["only"])})
    return look(graph, thread())


def an_edit_in_the_name_of_a_node(lg):
    graph = _counting(lg, interrupt_before=["a"])
    graph.invoke({"n": 0}, thread())
    graph.update_state(thread(), {"n": 20}, as_node="a")
    return merged(look(graph, thread()), run(graph, None, thread()))


def an_edit_in_the_name_of_a_node_with_a_router(lg):
    builder = joined(lg, Count, {"a": steps(), "low": leaves("low"), "high": leaves("high")}, ["^ a"])
    builder.add_conditional_edges("a", lambda state: "high" if state["n"] > 5 else "low", ["low", "high"])
    graph = builder.compile(checkpointer=lg.InMemorySaver(), interrupt_before=["a"])
    graph.invoke({"n": 0}, thread())
    graph.update_state(thread(), {"n": 9}, as_node="a")
    return merged(look(graph, thread()), run(graph, None, thread()))


def a_thread_that_begins_with_an_edit(lg):
    graph = _counting(lg)
    graph.update_state(thread(), {"n": 5}, as_node="__start__")
    return merged(look(graph, thread()), run(graph, None, thread()))


def an_edit_in_the_name_of_nobody(lg):
    graph = _counting(lg)
    graph.invoke({"n": 0}, thread())
    return {"refused": error_of(graph.update_state, thread(), {"n": 1}, as_node="nobody") is not None}


def _place(graph, following):
    """Give the config of the newest state of the thread that is followed by these nodes."""
    return next(one.config for one in graph.get_state_history(thread()) if tuple(sorted(one.next)) == following)


def back_to_an_earlier_state(lg):
    graph = _counting(lg)
    graph.invoke({"n": 0}, thread())
    found = graph.get_state(_place(graph, ("b",)))
    return {"state": plain(found.values), "next": list(found.next)}


def back_to_a_state_by_its_id(lg):
    graph = _counting(lg)
    graph.invoke({"n": 0}, thread())
    ids = [one.config["configurable"]["checkpoint_id"] for one in graph.get_state_history(thread())]
    states = [plain(graph.get_state(thread(checkpoint_id=identity)).values) for identity in ids]
    return {"states": states, "different": len(set(ids))}


def a_state_knows_the_one_before(lg):
    graph = _counting(lg)
    graph.invoke({"n": 0}, thread())
    newest = graph.get_state(thread())
    return {"state": plain(graph.get_state(newest.parent_config).values), "first": _first_of(graph).parent_config}


def _first_of(graph):
    return list(graph.get_state_history(thread()))[-1]


def run_again_from_an_earlier_state(lg):
    graph = _counting(lg)
    graph.invoke({"n": 0}, thread())
    again = run(graph, None, _place(graph, ("b",)))
    return merged(again, look(graph, thread()))


def an_earlier_state_is_edited_and_run_again(lg):
    graph = _counting(lg)
    graph.invoke({"n": 0}, thread())
    edited = graph.update_state(_place(graph, ("b",)), {"n": 100})
    return merged(run(graph, None, edited), look(graph, thread()))


def a_failed_run_goes_on_where_it_failed(lg):
    calls = []

    def flaky(state):
        calls.append("b")
        if len(calls) == 1:
            raise LookupError("gone")
        return {"n": state["n"] + 1}

    nodes = {"a": steps(), "b": flaky, "c": steps()}
    graph = joined(lg, Count, nodes, ["^ a", "a b", "b c"]).compile(checkpointer=lg.InMemorySaver())
    first = run(graph, {"n": 0}, thread())
    between = look(graph, thread())
    last = run(graph, None, thread())
    return {**merged(first, between, last), "calls": calls}


def a_sibling_that_had_finished_is_not_run_again(lg):
    calls = []

    def good(state):
        calls.append("good")
        return {"trace": ["good"]}

    def flaky(state):
        calls.append("flaky")
        if calls.count("flaky") == 1:
            raise LookupError("gone")
        return {"trace": ["flaky"]}

    nodes = {"a": leaves("a"), "flaky": flaky, "good": good, "z": leaves("z")}
    edges = ["^ a", "^ good", "a flaky", "flaky z", "good z"]
    graph = joined(lg, Trace, nodes, edges).compile(checkpointer=lg.InMemorySaver())
    first = run(graph, {"trace": []}, thread())
    run(graph, None, thread())
    return {"error": first["error"], "calls": sorted(calls), "next": look(graph, thread())["next"]}


def nothing_to_go_on_with(lg):
    graph = _counting(lg)
    graph.invoke({"n": 0}, thread())
    return {**run(graph, None, thread()), "after": look(graph, thread())}


def an_input_that_goes_somewhere(lg):
    graph = _counting(lg)
    graph.invoke({"n": 0}, thread())
    return run(graph, lg.Command(update={"n": 100}, goto="b"), thread())


def a_thread_is_deleted(lg):
    saver = lg.InMemorySaver()
    graph = joined(lg, Count, {"a": steps()}, ["^ a"]).compile(checkpointer=saver)
    graph.invoke({"n": 0}, thread())
    saver.delete_thread("1")
    return look(graph, thread())


def a_thread_of_a_graph_that_keeps_nothing(lg):
    graph = joined(lg, Count, {"a": steps()}, ["^ a"]).compile()
    told = run(graph, {"n": 0}, thread())
    return {**told, "refused": error_of(graph.get_state, thread()) is not None}
