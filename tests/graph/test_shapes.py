"""Every kind of class as a state: read, run to the end, and seen by nodes as what it is."""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, TypedDict

import msgspec
import pydantic
import pytest

from riverrun import END, START, StateGraph
from riverrun.base.errors import GraphError, InputError, NodeError, RunFailed
from riverrun.graph import reducers
from riverrun.graph.shapes import declared_input, is_shape, read_shape

COUNTED: list[int] = []


def counted() -> int:
    COUNTED.append(1)
    return len(COUNTED)


class Typed(TypedDict, total=False):
    text: str
    count: int
    log: Annotated[list[str], operator.add]
    tags: list[str]


@dataclasses.dataclass
class Data:
    text: str
    count: int = 5
    log: Annotated[list[str], operator.add] = dataclasses.field(default_factory=list)
    tags: list[str] = dataclasses.field(default_factory=lambda: ["t"])
    shared: ClassVar[int] = 1
    length: int = dataclasses.field(init=False, default=0)

    def __post_init__(self):
        self.length = len(self.text)


class Record(msgspec.Struct, rename="camel", kw_only=True):
    text: str
    count: int = 5
    log: Annotated[list[str], operator.add] = []
    tags: list[str] = msgspec.field(default_factory=lambda: ["t"])


class Model(pydantic.BaseModel):
    text: str = pydantic.Field(alias="theText")
    count: int = 5
    log: Annotated[list[str], operator.add] = []
    tags: Annotated[list[str], pydantic.Field(max_length=3)] = pydantic.Field(default_factory=lambda: ["t"])


CLASSES = [Data, Record, Model]


def chain(state, *nodes, **options) -> StateGraph:
    made = StateGraph(state, **options)
    for before, node in zip([None, *nodes], nodes, strict=False):
        made.add_node(node).add_edge(START if before is None else before.__name__, node.__name__)
    return made


@pytest.mark.parametrize("kind", [Typed, *CLASSES])
def test_every_kind_names_its_keys_and_their_reducers(kind):
    keys = read_shape(kind).keys
    assert keys is not None
    assert ["text", "count", "log", "tags"] == list(keys)
    assert [None, None, operator.add, None] == [key.reducer for key in keys.values()]
    assert [str, int, list, list] == [key.kind for key in keys.values()]


@pytest.mark.parametrize("kind", CLASSES)
async def test_a_node_sees_an_instance_and_gives_back_what_changes(kind):
    seen = []

    async def first(state):
        seen.append(state)
        return {"log": ["first"], "count": state.count + 1}

    async def last(state):
        seen.append(state)
        return {"log": ["last"]}

    def where(state):
        seen.append(state)
        return state.text

    made = chain(kind, first, last)
    made.add_conditional_edges("last", where, {"x": END})
    final = await made.compile().ainvoke({"text": "x"})
    assert {"text": "x", "count": 6, "log": ["first", "last"], "tags": ["t"]} == final
    assert [kind] * 3 == [type(state) for state in seen]
    assert [([], 5), (["first"], 6), (["first", "last"], 6)] == [(state.log, state.count) for state in seen]
    assert all(state.text == "x" and state.tags == ["t"] for state in seen)


async def test_a_typed_dict_is_seen_as_a_plain_dict():
    async def node(state: Typed):
        assert type(state) is dict
        return {"count": 1, "log": ["a"]}

    made = chain(Typed, node)
    assert made._nodes["node"].function is node, "nothing stands between the machine and the function"
    assert {"text": "x", "count": 1, "log": ["a"]} == await made.compile().ainvoke({"text": "x"})


@pytest.mark.parametrize("kind", CLASSES)
async def test_an_instance_may_be_the_input(kind):
    async def node(state):
        return {"count": state.count + 1}

    given = Model(theText="x", count=1) if kind is Model else kind(text="x", count=1)
    assert {"text": "x", "count": 2, "log": [], "tags": ["t"]} == await chain(kind, node).compile().ainvoke(given)


@pytest.mark.parametrize("kind", CLASSES)
async def test_a_key_that_the_class_needs_and_nobody_gave_is_named_with_its_node(kind):
    async def node(state):
        return {}

    with pytest.raises(RunFailed) as caught:
        await chain(kind, node).compile().ainvoke({})
    cause = caught.value.__cause__
    assert isinstance(cause, NodeError)
    assert "E3001" == cause.code
    assert "node 'node' cannot see the state as" in cause.message
    assert "text" in cause.message.lower()
    assert __file__ in cause.where


async def test_a_router_that_cannot_see_the_state_fails_its_node():
    async def node(state: Typed):
        return {}

    async def where(state: Data):
        return END

    made = chain(Typed, node)
    made.add_conditional_edges("node", where)
    with pytest.raises(RunFailed, match="the router of 'node' cannot see the state as Data"):
        await made.compile().ainvoke({})


@pytest.mark.parametrize("kind", CLASSES)
async def test_an_instance_as_a_result_is_refused_for_it_does_not_say_what_changed(kind):
    async def node(state):
        return state

    with pytest.raises(RunFailed, match=f"E3002: node 'node' gave back {kind.__name__}"):
        await chain(kind, node).compile().ainvoke({"text": "x"})


async def test_a_value_that_the_class_refuses_fails_the_next_node_that_sees_it():
    async def first(state):
        return {"tags": ["a", "b", "c", "d"]}

    async def last(state):
        return {}

    with pytest.raises(RunFailed, match="node 'last' cannot see the state as Model: ValidationError"):
        await chain(Model, first, last).compile().ainvoke({"text": "x"})


async def test_a_default_is_made_once_for_a_run():
    @dataclasses.dataclass
    class Once:
        number: int = dataclasses.field(default_factory=counted)
        seen: Annotated[list[int], operator.add] = dataclasses.field(default_factory=list)
        maybe: Annotated[list[int] | None, reducers.append] = None

    async def first(state):
        return {"seen": [state.number], "maybe": 1}

    async def last(state):
        return {"seen": [state.number]}

    COUNTED.clear()
    final = await chain(Once, first, last).compile().ainvoke()
    assert {"number": 1, "seen": [1, 1], "maybe": [1]} == final


def test_a_default_that_cannot_be_made_is_refused_with_its_key():
    @dataclasses.dataclass
    class Broken:
        number: int = dataclasses.field(default_factory=lambda: 1 // 0)

    schema = StateGraph(Broken)._schema
    with pytest.raises(InputError) as caught:
        schema.starting_values(schema.check_input({}))
    assert ("E2010", "key 'number'") == (caught.value.code, caught.value.where)
    assert {"number": 2} == schema.check_input({"number": 2})


# --- input, output and what one node sees ---


class Given(TypedDict):
    question: str


class Answer(TypedDict):
    answer: str


class Whole(TypedDict, total=False):
    question: str
    notes: Annotated[list[str], operator.add]
    answer: str


class Private(TypedDict):
    draft: str


async def write(state):
    assert {"notes": [], "question": "q"} == state
    return {"draft": "d", "notes": ["n"]}


async def finish(state: Private):
    assert {"draft": "d"} == state
    return {"answer": state["draft"].upper()}


async def test_schemas_limit_what_goes_in_what_comes_out_and_what_a_node_sees():
    graph = chain(Whole, write, finish, input_schema=Given, output_schema=Answer).compile()
    assert {"answer": "D"} == await graph.ainvoke({"question": "q"})
    run = await graph.start({"question": "q"})
    assert {"answer": "D"} == await run.result()
    assert {"question": "q", "notes": ["n"], "draft": "d", "answer": "D"} == run.state()
    with pytest.raises(InputError) as caught:
        await graph.ainvoke({"question": "q", "answer": "a"})
    assert ("E2010", "input key 'answer'") == (caught.value.code, caught.value.where)
    assert "its keys are: question" in caught.value.message


async def test_an_input_class_may_have_defaults_and_an_instance_of_it_may_be_given():
    @dataclasses.dataclass
    class Asked:
        question: str = "why?"

    async def node(state):
        return {"answer": state["question"]}

    graph = chain(Whole, node, input_schema=Asked).compile()
    assert {"notes": [], "question": "why?", "answer": "why?"} == await graph.ainvoke()
    assert {"notes": [], "question": "who?", "answer": "who?"} == await graph.ainvoke(Asked("who?"))


async def test_the_input_schema_of_a_node_wins_over_its_annotation():
    async def node(state: Private):
        return {"answer": str(state)}

    made = StateGraph(Whole).add_node(node, input_schema=Given).add_edge(START, "node")
    whole = {"notes": [], "question": "q", "answer": "{'question': 'q'}"}
    assert whole == await made.compile().ainvoke({"question": "q"})


async def test_a_node_that_asks_for_everything_as_a_dict_gets_it():
    async def node(state):
        assert type(state) is dict
        return {"count": state["count"] + 1}

    made = StateGraph(Data).add_node(node, input_schema=dict).add_edge(START, "node")
    assert 6 == (await made.compile().ainvoke({"text": "x"}))["count"]


async def test_generators_and_context_are_as_they_were():
    async def node(state, ctx):
        yield state.text
        yield {"log": [ctx.node]}

    made = StateGraph(Data).add_node(node, key="text").add_edge(START, "node")
    final = await made.compile().ainvoke({"text": "x"})
    assert ("x", ["node"]) == (final["text"], final["log"])


class Other(TypedDict):
    notes: Annotated[list[str], reducers.append]


@pytest.mark.parametrize(
    ("make", "code", "named"),
    [
        (lambda: StateGraph(Whole, input_schema=int), "E1007", "int"),
        (lambda: StateGraph(Whole, output_schema="x"), "E1007", "'x'"),
        (lambda: StateGraph(Whole, input_schema=Other), "E1008", "Other names another reducer for key 'notes'"),
        (lambda: StateGraph(Whole).add_node(write, input_schema=5), "E1007", "5"),
        (lambda: StateGraph(Whole).add_node(write, input_schema=Other), "E1008", "'notes'"),
        (lambda: StateGraph(Whole, inputs=Given), "E1011", "'inputs'"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused(make, code, named):
    with pytest.raises(GraphError) as caught:
        make()
    assert code == caught.value.code
    assert named in caught.value.message


def test_a_context_schema_is_kept():
    graph = chain(Whole, write, context_schema=Data).compile()
    assert Data is graph.plan.context_schema
    assert None is chain(Whole, write).compile().plan.context_schema


# --- details of reading ---


class Hinted(TypedDict, total=False):
    some: Annotated[Sequence[str], reducers.add_messages]
    maybe: Annotated[list[str] | None, reducers.append]
    deep: Annotated[Any, reducers.merge]
    number: Annotated[Any, reducers.sum]


def test_a_reducer_knows_what_to_start_from_where_the_annotation_does_not_say():
    keys = read_shape(Hinted).keys or {}
    assert [list, list, dict, None] == [key.empty for key in keys.values()]
    assert all(key.trusted for key in keys.values())


@pytest.mark.parametrize("declared", [int, 5, None, "State", list[int], StateGraph])
def test_what_is_no_state_is_refused(declared):
    assert not is_shape(declared)
    with pytest.raises(GraphError) as caught:
        read_shape(declared)
    assert "E1007" == caught.value.code


class Called:
    async def __call__(self, state: Given):
        return {}

    async def method(self, state: Given):
        return {}


def test_what_a_function_asks_to_see_is_read_off_its_first_parameter():
    def none():
        return {}

    def later(state: Nowhere):  # type: ignore[name-defined]  # noqa: F821  # an annotation that nobody can evaluate
        return {}

    def as_dict(state: dict):  # type: ignore[type-arg]
        return {}

    def first(more, state: Given):
        return {}

    asked: list[Any] = [Called(), Called().method, functools.partial(finish)]
    assert [Given, Given, Private] == [declared_input(each) for each in asked]  # type: ignore[list-item]  # classes
    nothing: list[Any] = [none, later, as_dict, write, first, max]
    assert [None] * 6 == [declared_input(each) for each in nothing]
