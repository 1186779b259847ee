"""Programs: questions below an inner graph, and what a reader sees of what happens there."""

import operator
from typing import Annotated, Any, TypedDict

from tests.differential.outcome import failing, look, merged, note, plain, run, thread
from tests.differential.states import Number, Trace, around, joined, steps


def _asking(lg, ran=None, **options):
    def asks(state):
        if ran is not None:
            ran.append("i")
        return {"n": state["n"] + lg.interrupt("how many?")}

    inner = joined(lg, Number, {"first": steps(), "i": asks}, ["^ first", "first i"]).compile(**options)
    return around(lg, inner, checkpointer=lg.InMemorySaver())


def a_question_in_an_inner_graph(lg):
    graph = _asking(lg)
    first = run(graph, {"n": 0}, thread())
    between = look(graph, thread())
    return merged(first, between, run(graph, lg.Command(resume=10), thread()))


def a_question_in_an_inner_graph_by_its_id(lg):
    graph = _asking(lg)
    first = run(graph, {"n": 0}, thread())
    asked = graph.get_state(thread()).interrupts
    return merged(first, run(graph, lg.Command(resume={asked[0].id: 10}), thread()))


def only_the_node_that_asked_runs_again(lg):
    ran: list[str] = []
    graph = _asking(lg, ran)
    graph.invoke({"n": 0}, thread())
    graph.invoke(lg.Command(resume=10), thread())
    return {"ran": ran, **look(graph, thread())}


def questions_of_two_inner_graphs(lg):
    def asks(state):
        return {"trace": [lg.interrupt(state["trace"][0])]}

    inner = joined(lg, Trace, {"i": asks}, ["^ i"]).compile()

    def calls(word):
        def node(state):
            return {"trace": [inner.invoke({"trace": [word]})["trace"][-1]]}

        return node

    graph = joined(lg, Trace, {"a": calls("a?"), "b": calls("b?")}, ["^ a", "^ b"])
    graph = graph.compile(checkpointer=lg.InMemorySaver())
    first = run(graph, {"trace": []}, thread())
    answers = {one.id: one.value.upper() for one in graph.get_state(thread()).interrupts}
    return merged(first, run(graph, lg.Command(resume=answers), thread()))


def questions_of_two_inner_graphs_that_are_nodes(lg):
    class Word(TypedDict, total=False):
        n: int
        words: Annotated[list[str], operator.add]

    class Result(TypedDict):
        words: Annotated[list[str], operator.add]

    def inner(word):
        def asks(state):
            return {"words": [lg.interrupt(word)]}

        return lg.StateGraph(Word, output_schema=Result).add_node("i", asks).add_edge(lg.START, "i").compile()

    class Outer(TypedDict, total=False):
        words: Annotated[list[str], operator.add]

    builder = joined(lg, Outer, {"a": inner("a?"), "b": inner("b?")}, ["^ a", "^ b"])
    graph = builder.compile(checkpointer=lg.InMemorySaver())
    first = run(graph, {"words": []}, thread())
    waits = look(graph, thread())
    answers = {one.id: one.value.upper() for one in graph.get_state(thread()).interrupts}
    return merged(first, waits, run(graph, lg.Command(resume=answers), thread()))


def a_question_two_levels_deep(lg):
    def asks(state):
        return {"n": state["n"] + lg.interrupt("how many?")}

    deep = joined(lg, Number, {"k": asks}, ["^ k"]).compile()
    inner = joined(lg, Number, {"i": steps(), "deep": deep}, ["^ i", "i deep"]).compile()
    graph = around(lg, inner, checkpointer=lg.InMemorySaver())
    first = run(graph, {"n": 0}, thread())
    return merged(first, look(graph, thread()), run(graph, lg.Command(resume=10), thread()))


def the_limit_of_a_run_and_its_inner_graph(lg):
    def endless(state):
        return {"n": state["n"] + 1}

    inner = joined(lg, Number, {"i": endless}, ["^ i", "i i"]).compile()
    told = run(around(lg, inner), {"n": 0}, {"recursion_limit": 9})
    return {"error": told["error"], "state": told["state"]}


def held_inside_an_inner_graph(lg):
    inner = joined(lg, Number, {"i": steps(), "j": steps()}, ["^ i", "i j"]).compile(interrupt_before=["j"])
    graph = around(lg, inner, checkpointer=lg.InMemorySaver())
    return merged(run(graph, {"n": 0}, thread()), look(graph, thread()), run(graph, None, thread()))


# --- what a reader sees of inner graphs ---


def _parts(lg, mode, **options):
    def emits(state):
        lg.get_stream_writer()(f"from {state['n']}")
        return {"n": state["n"] + 1}

    inner = joined(lg, Number, {"i": emits}, ["^ i"]).compile()
    graph = around(lg, inner)
    return list(graph.stream({"n": 0}, stream_mode=mode, **options))


def _names(ns):
    """Give the names of the nodes on the way to an inner graph: what stands behind the colon is the engine's own."""
    return [part.partition(":")[0] for part in ns]


def inner_updates_with_their_place(lg):
    return {"parts": [[_names(ns), plain(chunk)] for ns, chunk in _parts(lg, "updates", subgraphs=True)]}


def inner_parts_of_several_modes_with_their_place(lg):
    told = _parts(lg, ["updates", "custom"], subgraphs=True)
    return {"parts": [[_names(ns), mode, plain(chunk)] for ns, mode, chunk in told]}


def inner_values_with_their_place(lg):
    return {"parts": [[_names(ns), plain(chunk)] for ns, chunk in _parts(lg, "values", subgraphs=True)]}


def inner_updates_that_nobody_asked_for(lg):
    return {"parts": plain(_parts(lg, "updates"))}


def inner_custom_parts_that_nobody_asked_for(lg):
    return {"custom": plain(_parts(lg, "custom"))}


def inner_parts_in_the_second_form(lg):
    told = _parts(lg, ["updates", "custom"], subgraphs=True, version="v2")
    return {"parts": [[_names(part["ns"]), part["type"], plain(part["data"])] for part in told]}


def questions_with_their_place(lg):
    outcome: dict[str, Any] = {"state": None, "updates": [], "custom": [], "interrupts": [], "error": None}
    with failing(outcome):
        parts = _asking(lg).stream({"n": 0}, thread(), stream_mode=["updates", "values"], subgraphs=True)
        for ns, mode, chunk in parts:
            if not ns:
                note(outcome, mode, chunk)
    return outcome
