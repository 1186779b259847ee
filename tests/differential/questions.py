"""Programs: runs that stop to ask (`interrupt`), or are told to hold, and go on with the answers."""

import asyncio
from typing import Any

from tests.differential.outcome import arun, error_of, look, merged, plain, run, thread
from tests.differential.states import Count, Seen, Trace, joined, leaves, steps


def _asks(lg, *values, name=None, ran=None):
    """Make a node that asks one question after another and leaves the answers."""

    def node(state):
        if ran is not None:
            ran.append(name)
        return {"trace": [f"{value}={lg.interrupt(value)}" for value in values]}

    return node


def _kept(lg, nodes, edges, state=Trace, **options):
    return joined(lg, state, nodes, edges).compile(checkpointer=lg.InMemorySaver(), **options)


def _one(lg, *values):
    return _kept(lg, {"a": leaves("a"), "b": _asks(lg, *values), "c": leaves("c")}, ["^ a", "a b", "b c"])


def _answers(lg, graph, give, config=None):
    """Answer the open questions by id, each as `give` says."""
    asked = graph.get_state(config or thread()).interrupts
    return lg.Command(resume={one.id: give(one.value) for one in asked})


def one_question(lg):
    graph = _one(lg, "name?")
    return merged(run(graph, {"trace": []}, thread()), run(graph, lg.Command(resume="Ann"), thread()))


def what_a_thread_says_while_it_is_asked(lg):
    graph = _one(lg, "name?")
    graph.invoke({"trace": []}, thread())
    waits = look(graph, thread())
    graph.invoke(lg.Command(resume="Ann"), thread())
    return merged(waits, look(graph, thread()))


def a_result_tells_its_questions(lg):
    told = _one(lg, "name?").invoke({"trace": []}, thread())
    return {"state": plain(told)}


async def one_question_in_async_code(lg):
    async def node(state):
        await asyncio.sleep(0)
        return {"trace": [lg.interrupt("name?")]}

    graph = _kept(lg, {"a": node, "b": leaves("b")}, ["^ a", "a b"])
    first = await arun(graph, {"trace": []}, thread())
    return merged(first, await arun(graph, lg.Command(resume="Ann"), thread()))


def a_question_is_any_value(lg):
    graph = _one(lg, {"ask": ["what", 1, None], "options": {"a": True}})
    first = run(graph, {"trace": []}, thread())
    return merged(first, run(graph, lg.Command(resume={"answer": [1, 2]}), thread()))


def a_question_by_its_id(lg):
    graph = _one(lg, "name?")
    first = run(graph, {"trace": []}, thread())
    return merged(first, run(graph, _answers(lg, graph, lambda value: f"{value}!"), thread()))


def two_questions_of_one_node(lg):
    graph = _one(lg, "name?", "age?")
    given: list[Any] = [{"trace": []}, lg.Command(resume="Ann"), lg.Command(resume=7)]
    return merged(*(run(graph, one, thread()) for one in given))


def what_stands_before_a_question_runs_again(lg):
    ran: list[str] = []
    graph = _kept(lg, {"a": _asks(lg, "x?", "y?", name="a", ran=ran), "b": leaves("b")}, ["^ a", "a b"])
    given: list[Any] = [{"trace": []}, lg.Command(resume=1), lg.Command(resume=2)]
    for one in given:
        graph.invoke(one, thread())
    return {"ran": ran, **look(graph, thread())}


def an_answer_that_is_false_counts(lg):
    graph = _one(lg, "sure?")
    first = run(graph, {"trace": []}, thread())
    return merged(first, run(graph, lg.Command(resume=False), thread()))


def questions_of_two_branches(lg):
    nodes = {"a": _asks(lg, "a?"), "b": _asks(lg, "b?"), "c": leaves("c")}
    graph = _kept(lg, nodes, ["^ a", "^ b", "a c", "b c"])
    first = run(graph, {"trace": []}, thread())
    return merged(first, run(graph, _answers(lg, graph, lambda value: value.upper()), thread()))


def questions_of_two_branches_answered_one_after_another(lg):
    nodes = {"a": _asks(lg, "a?"), "b": _asks(lg, "b?"), "c": leaves("c")}
    graph = _kept(lg, nodes, ["^ a", "^ b", "a c", "b c"])
    first = run(graph, {"trace": []}, thread())
    by_value = {one.value: one.id for one in graph.get_state(thread()).interrupts}
    second = run(graph, lg.Command(resume={by_value["b?"]: "B"}), thread())
    between = look(graph, thread())
    third = run(graph, lg.Command(resume={by_value["a?"]: "A"}), thread())
    # Whether a branch that was answered is told of before the other one is, is not compared here.
    ends = {"state": third["state"], "error": third["error"], "asked": second["interrupts"], "next": between["next"]}
    return {**first, "last": ends}


def one_answer_for_two_questions(lg):
    graph = _kept(lg, {"a": _asks(lg, "a?"), "b": _asks(lg, "b?")}, ["^ a", "^ b"])
    graph.invoke({"trace": []}, thread())
    return {"refused": error_of(graph.invoke, lg.Command(resume="both"), thread()) is not None}


def a_branch_that_asks_nothing_runs_once(lg):
    ran: list[str] = []

    def works(state):
        ran.append("b")
        return {"trace": ["b"]}

    nodes = {"a": _asks(lg, "a?"), "b": works, "c": leaves("c")}
    graph = _kept(lg, nodes, ["^ a", "^ b", "a c", "b c"])
    graph.invoke({"trace": []}, thread())
    graph.invoke(lg.Command(resume="A"), thread())
    return {"ran": ran, **look(graph, thread())}


def a_question_in_a_loop(lg):
    def asks(state):
        return {"n": state["n"] + lg.interrupt(f"after {state['n']}?")}

    builder = joined(lg, Count, {"a": asks}, ["^ a"])
    builder.add_conditional_edges("a", lambda state: "a" if state["n"] < 6 else lg.END, ["a", lg.END])
    graph = builder.compile(checkpointer=lg.InMemorySaver())
    given = [{"n": 0}, *(lg.Command(resume=number) for number in (1, 2, 3))]
    return merged(*(run(graph, one, thread()) for one in given))


def a_question_that_is_asked_only_sometimes(lg):
    def asks(state):
        return {"n": lg.interrupt("how many?")} if state["n"] > 5 else {"n": -1}

    graph = _kept(lg, {"a": asks}, ["^ a"], Count)
    few, many = run(graph, {"n": 1}, thread("few")), run(graph, {"n": 9}, thread("many"))
    return merged(few, many, run(graph, lg.Command(resume=3), thread("many")))


def calls_that_ask(lg):
    def asks(state):
        return {"trace": [f"{state['word']}={lg.interrupt(state['word'])}"]}

    builder = joined(lg, Trace, {"ask": asks, "end": leaves("end")}, ["ask end"])
    calls = [lg.Send("ask", {"word": word}) for word in ("x", "y", "z")]
    builder.add_conditional_edges(lg.START, lambda state: calls, ["ask"])
    graph = builder.compile(checkpointer=lg.InMemorySaver())
    first = run(graph, {"trace": []}, thread())
    return merged(first, run(graph, _answers(lg, graph, str.upper), thread()))


def an_answer_and_a_choice_of_where_to_go(lg):
    def asks(state):
        return lg.Command(update={"trace": ["asked"]}, goto="yes" if lg.interrupt("go?") else "no")

    builder = joined(lg, Trace, "yes no", [])
    builder.add_node("ask", asks, destinations=("yes", "no"))
    graph = builder.add_edge(lg.START, "ask").compile(checkpointer=lg.InMemorySaver())
    outcomes = []
    for name, answer in (("1", True), ("2", False)):
        outcomes += [run(graph, {"trace": []}, thread(name)), run(graph, lg.Command(resume=answer), thread(name))]
    return merged(*outcomes)


def an_answer_that_also_writes(lg):
    graph = _one(lg, "name?")
    graph.invoke({"trace": []}, thread())
    return run(graph, lg.Command(resume="Ann", update={"trace": ["beside"]}), thread())


def a_question_without_a_checkpointer(lg):
    graph = joined(lg, Trace, {"a": _asks(lg, "a?")}, ["^ a"]).compile()
    return run(graph, {"trace": []})


def an_answer_that_nobody_waits_for(lg):
    graph = _one(lg)
    graph.invoke({"trace": []}, thread())
    return {**run(graph, lg.Command(resume="Ann"), thread()), "after": look(graph, thread())}


def a_question_that_is_caught_by_its_node(lg):
    def node(state):
        try:
            return {"trace": [lg.interrupt("a?")]}
        except ValueError:
            return {"trace": ["caught"]}

    graph = _kept(lg, {"a": node}, ["^ a"])
    return merged(run(graph, {"trace": []}, thread()), run(graph, lg.Command(resume="A"), thread()))


# --- held before and after nodes ---


def _held(lg, edges=("^ a", "a b", "b c"), nodes="a b c", **options):
    return _kept(lg, nodes, list(edges), **options)


def _held_twice(graph, **options):
    first = run(graph, {"trace": []}, thread(), **options)
    between = look(graph, thread())
    last = run(graph, None, thread())
    return merged(first, between, last)


def held_before_a_node(lg):
    return _held_twice(_held(lg, interrupt_before=["b"]))


def held_after_a_node(lg):
    return _held_twice(_held(lg, interrupt_after=["b"]))


def held_before_a_node_in_one_run_only(lg):
    return _held_twice(_held(lg), interrupt_before=["b"])


def held_after_a_node_in_one_run_only(lg):
    return _held_twice(_held(lg), interrupt_after=["a"])


def held_before_every_node(lg):
    graph = _held(lg, interrupt_before="*")
    given: list[Any] = [{"trace": []}, None, None, None]
    return merged(*(run(graph, one, thread()) for one in given))


def held_before_the_first_node(lg):
    return _held_twice(_held(lg, interrupt_before=["a"]))


def held_after_the_last_node(lg):
    return _held_twice(_held(lg, interrupt_after=["c"]))


def held_before_both_of_two_branches(lg):
    graph = _kept(lg, "a b c d", ["^ a", "a b", "a c", "b d", "c d"], Seen, interrupt_before=["b", "c"])
    first = run(graph, {"seen": {"input"}}, thread())
    return merged(first, look(graph, thread()), run(graph, None, thread()))


def held_and_asked(lg):
    graph = _kept(lg, {"a": leaves("a"), "b": _asks(lg, "b?")}, ["^ a", "a b"], interrupt_before=["b"])
    given: list[Any] = [{"trace": []}, None, lg.Command(resume="B")]
    return merged(*(run(graph, one, thread()) for one in given))


def edited_while_held(lg):
    graph = _kept(lg, {"a": steps(), "b": steps()}, ["^ a", "a b"], Count, interrupt_before=["b"])
    graph.invoke({"n": 0}, thread())
    graph.update_state(thread(), {"n": 40})
    return merged(look(graph, thread()), run(graph, None, thread()))
