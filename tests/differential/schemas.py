"""Programs: what a state may be declared as, and who sees which part of it."""

import operator
from dataclasses import dataclass, field
from typing import Annotated, TypedDict

from pydantic import BaseModel

from tests.differential.outcome import error_of, merged, plain, run
from tests.differential.states import Count, joined


class Inner(TypedDict, total=False):
    """What a graph works with."""

    question: str
    notes: Annotated[list[str], operator.add]
    answer: str


class Question(TypedDict):
    """What a graph takes."""

    question: str


class Answer(TypedDict):
    """What a graph gives."""

    answer: str


class Private(TypedDict, total=False):
    """What two nodes tell each other."""

    secret: str


def _think(state):
    return {"notes": [f"thought about {state['question']}"]}


def _answer(state):
    return {"answer": f"{len(state['notes'])} notes"}


def _limited(lg, **schemas):
    builder = lg.StateGraph(Inner, **schemas)
    builder.add_node("think", _think).add_node("answer", _answer)
    return builder.add_edge(lg.START, "think").add_edge("think", "answer").compile()


def an_input_and_an_output_schema(lg):
    return run(_limited(lg, input_schema=Question, output_schema=Answer), {"question": "why"})


def an_output_schema_bounds_what_is_returned(lg):
    return {"state": plain(_limited(lg, output_schema=Answer).invoke({"question": "why", "notes": ["given"]}))}


def an_input_schema_bounds_what_is_taken(lg):
    return run(_limited(lg, input_schema=Question), {"question": "why", "notes": ["not taken"]})


def a_private_key_between_two_nodes(lg):
    def one(state: Count) -> Private:
        return {"secret": "s"}

    def two(state: Private):
        return {"trace": [f"{sorted(state)} {state.get('secret')}"]}

    def three(state: Count):
        return {"n": len(state), "trace": [f"{sorted(state)}"]}

    builder = lg.StateGraph(Count)
    for node in (one, two, three):
        builder.add_node(node)
    builder.add_edge(lg.START, "one").add_edge("one", "two").add_edge("two", "three")
    return run(builder.compile(), {"n": 0})


def a_node_that_sees_less(lg):
    class Part(TypedDict):
        n: int

    def node(state):
        return {"trace": [f"{sorted(state)}"]}

    builder = lg.StateGraph(Count)
    builder.add_node("a", node, input_schema=Part)
    return run(builder.add_edge(lg.START, "a").compile(), {"n": 0, "trace": ["input"]})


def a_private_key_is_not_in_the_result(lg):
    def one(state: Count):
        return {"secret": "s", "n": 1}

    def two(state: Private):
        return {"trace": [state["secret"]]}

    graph = lg.StateGraph(Count).add_node(one).add_node(two).add_edge(lg.START, "one").add_edge("one", "two").compile()
    return {"state": plain(graph.invoke({"n": 0, "trace": []}))}


def a_key_with_a_reducer_is_there_before_it_is_written(lg):
    def node(state):
        return {"n": len(state["trace"])}

    return run(joined(lg, Count, {"a": node}, ["^ a"]).compile(), {"n": 9})


def messages_are_there_before_one_is_written(lg):
    class Chat(TypedDict, total=False):
        messages: Annotated[list, lg.add_messages]  # type: ignore[type-arg]  # as LangGraph's users write it
        turns: int

    def node(state):
        return {"turns": len(state["messages"])}

    return run(joined(lg, Chat, {"a": node}, ["^ a"]).compile(), {"turns": 9})


def keys_that_were_never_written_are_not_seen(lg):
    def node(state):
        return {"trace": [f"{sorted(state)}"]}

    return run(joined(lg, Count, {"a": node}, ["^ a"]).compile(), {"trace": []})


# --- classes ---


@dataclass
class Record:
    """A state with defaults."""

    name: str
    n: int = 7
    trace: Annotated[list[str], operator.add] = field(default_factory=list)


class Model(BaseModel):
    """A state that is checked."""

    name: str
    n: int = 7
    trace: Annotated[list[str], operator.add] = []


def _class_node(state):
    return {"n": state.n + 1, "trace": [f"{type(state).__name__} {state.name}"]}


def a_dataclass(lg):
    return run(
        joined(lg, Record, {"a": _class_node, "b": _class_node}, ["^ a", "a b"]).compile(), {"name": "x", "n": 1}
    )


def defaults_of_a_dataclass(lg):
    return run(joined(lg, Record, {"a": _class_node, "b": _class_node}, ["^ a", "a b"]).compile(), {"name": "x"})


def defaults_that_nobody_touches(lg):
    return run(joined(lg, Record, {"a": lambda state: {"trace": ["a"]}}, ["^ a"]).compile(), {"name": "x"})


def an_instance_as_input(lg):
    return run(joined(lg, Record, {"a": _class_node}, ["^ a"]).compile(), Record("x", 3, ["input"]))


def a_dataclass_as_output(lg):
    told = joined(lg, Record, {"a": _class_node}, ["^ a"]).compile().invoke({"name": "x"})
    return {"state": plain(told), "class": type(told).__name__}


def a_node_that_gives_back_an_instance(lg):
    nodes = {"a": lambda state: Record(name="y", n=2, trace=["a"])}
    return run(joined(lg, Record, nodes, ["^ a"]).compile(), {"name": "x", "trace": ["input"]})


def a_router_sees_an_instance(lg):
    builder = joined(lg, Record, {"a": _class_node, "b": _class_node}, ["^ a"])
    builder.add_conditional_edges("a", lambda state: "b" if state.n == 2 else lg.END, ["b", lg.END])
    return run(builder.compile(), {"name": "x", "n": 1})


def a_model(lg):
    return run(joined(lg, Model, {"a": _class_node, "b": _class_node}, ["^ a", "a b"]).compile(), {"name": "x", "n": 1})


def defaults_of_a_model(lg):
    return run(joined(lg, Model, {"a": _class_node}, ["^ a"]).compile(), {"name": "x"})


def a_model_converts_its_input(lg):
    return run(joined(lg, Model, {"a": _class_node}, ["^ a"]).compile(), {"name": "x", "n": "41"})


def a_model_refuses_its_input(lg):
    graph = joined(lg, Model, {"a": _class_node}, ["^ a"]).compile()
    return {"refused": [error_of(graph.invoke, given) is not None for given in ({}, {"name": "x", "n": "many"})]}


def a_model_of_models(lg):
    class Part(BaseModel):
        word: str = "none"

    class Whole(BaseModel):
        part: Part = Part()
        parts: list[Part] = []

    def node(state):
        return {"part": Part(word=state.part.word + "!"), "parts": [Part(word=part.word + "?") for part in state.parts]}

    return run(joined(lg, Whole, {"a": node}, ["^ a"]).compile(), {"part": {"word": "x"}, "parts": [{"word": "y"}]})


def a_plain_dict_with_messages_and_more(lg):
    class Chat(TypedDict, total=False):
        messages: Annotated[list, lg.add_messages]  # type: ignore[type-arg]  # as LangGraph's users write it
        turns: int

    def answers(state):
        return {"messages": [{"role": "assistant", "content": "hello"}], "turns": state.get("turns", 0) + 1}

    graph = joined(lg, Chat, {"a": answers}, ["^ a"]).compile()
    return merged(run(graph, {"messages": [("user", "hi")]}), run(graph, {"messages": "hi", "turns": 4}))
