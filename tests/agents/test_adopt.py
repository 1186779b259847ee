"""What holds for every agent that comes in through the one door, whichever library it is of."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import threading
import tomllib
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any, TypedDict, cast

import pytest
from agents import Agent as OpenAIAgent
from langgraph.graph import StateGraph as LangGraphBuilder
from pydantic_ai import Agent as PydanticAgent

from riverrun.agents.adopt import ACCEPTED, LIBRARIES, adopt, library_of
from riverrun.base.clock import ManualClock, SystemClock
from riverrun.base.errors import GraphError, InputError, LoadError
from riverrun.events.kinds import NodeChunk, NodeRetrying, RunInterrupted, RunStopped
from riverrun.face.compiled import CompiledGraph
from riverrun.face.state_graph import StateGraph
from riverrun.graph.node import END, START
from riverrun.log.view import View
from riverrun.runs.history import read_log
from riverrun.runs.reader import follow
from riverrun.runs.service import RunService
from riverrun.runs.settings import RunSettings
from riverrun.server.app import create_app
from riverrun.stores.memory import MemoryStore
from riverrun.wire.sse import Parser
from tests.agents.serving import serving_only
from tests.agents.speakers import AGENTS, TEXT, WORDS, Source, Telling
from tests.house.source import ROOT
from tests.runs.plans import until
from tests.runs.workers import QUICK, die, until_head
from tests.server.served import reading

TENANT = "t"


@asynccontextmanager
async def worker(store, plan, clock=None):
    """A worker that serves one plan, and is closed in the end."""
    service = RunService(store, {"agent": plan}, clock=clock or SystemClock(), settings=RunSettings(**QUICK))
    await service.open()
    try:
        yield service
    finally:
        await service.close()


async def started(service, **said):
    """Start a run and give its key."""
    return (await service.start(TENANT, "agent", {"input": "hello"}, **said)).row.key


def has_made(source, number):
    """Say whether so many words were made."""
    return len(source.made) == number


async def end_of(service, key):
    """Read a run to its end."""
    log: list[Any] = []
    async for page in follow(service.store, key, 0):
        log.extend(record.event for record in (page.records if page is not None else ()))
    assert list(range(1, len(log) + 1)) == [event.seq for event in log]
    return log


async def parked(service, key):
    """Wait until a run asks, and give its questions."""
    head = 0
    while True:
        log = await read_log(service.store, key)
        if isinstance(log[-1], RunInterrupted):
            return log[-1].questions
        head = len(log)
        await until_head(service, key, head + 1)


def heard(log):
    """Give what a reader of a log has: the text of all its messages that stands."""
    view = View()
    for event in log:
        view.apply(event)
    return "".join(message.text for message in view.messages.values())


@pytest.mark.parametrize("kind", AGENTS)
async def test_an_agent_runs_as_a_graph_and_its_result_is_under_the_key_for_it(kind):
    result = await CompiledGraph(adopt(AGENTS[kind](Source()))).ainvoke({"input": "hello"})
    assert TEXT == result["output"]


@pytest.mark.parametrize("kind", AGENTS)
async def test_every_chunk_is_in_the_log_before_the_next_one_is_made(kind):
    source = Source(free=False)
    async with worker(MemoryStore(), adopt(AGENTS[kind](source))) as service:
        key = await started(service)
        log: list[Any] = []
        for number, word in enumerate(WORDS, 1):
            source.let()
            await until(partial(has_made, source, number))
            while word not in [event.value for event in log if isinstance(event, NodeChunk)]:
                await until_head(service, key, len(log) + 1)
                log = await read_log(service.store, key)
            assert list(WORDS[:number]) == source.made, "the next word was made although nobody let it"
        log = await end_of(service, key)
    assert "run.completed" == log[-1].type
    assert TEXT == heard(log)


@pytest.mark.parametrize("kind", AGENTS)
async def test_a_stop_reaches_the_source_of_the_words(kind):
    source = Source(free=False)
    source.let()
    async with worker(MemoryStore(), adopt(AGENTS[kind](source))) as service:
        key = await started(service)
        await until(lambda: source.made)
        await service.stop(key, "enough")
        log = await end_of(service, key)
        assert isinstance(log[-1], RunStopped)
        await until(lambda: source.left)
    assert (1, 1, [WORDS[0]]) == (source.begun, source.left, source.made)


@pytest.mark.parametrize("kind", AGENTS)
async def test_an_agent_that_breaks_fails_its_run_and_keeps_what_it_said(kind):
    source = Source(free=False, breaks=True)
    async with worker(MemoryStore(), adopt(AGENTS[kind](source))) as service:
        key = await started(service)
        for _ in WORDS[:2]:
            source.let()
        # An SDK may throw away what it has not handed on when it fails, so both words have to be heard first.
        while heard(await read_log(service.store, key)) != "".join(WORDS[:2]):
            await until_head(service, key, (await service.row(key)).head + 1)
        source.let()
        log = await end_of(service, key)
    assert "run.failed" == log[-1].type
    assert "the model is gone" in log[-1].error.message
    assert "".join(WORDS[:2]) == heard(log)
    assert log[-1].partial


@pytest.mark.parametrize("kind", AGENTS)
async def test_an_agent_whose_worker_dies_begins_anew_elsewhere_and_says_all_of_it_once(kind):
    clock = ManualClock()
    store, source = MemoryStore(clock), Source(free=False)
    source.let()
    plan = adopt(AGENTS[kind](source))
    async with worker(store, plan, clock) as first:
        key = await started(first)
        await until(lambda: source.made)
        while not any(isinstance(event, NodeChunk) for event in await read_log(store, key)):
            await until_head(first, key, (await first.row(key)).head + 1)
        die(first)
        await until(lambda: source.left)
    source.let_all()
    clock.advance(60)
    async with worker(store, plan, clock) as second:
        log = await end_of(second, key)
    assert ["taken_over"] == [event.reason for event in log if isinstance(event, NodeRetrying)]
    assert "run.completed" == log[-1].type
    assert TEXT == heard(log)


@pytest.mark.parametrize("kind", [kind for kind in AGENTS if kind != "plain"])
async def test_an_agent_that_may_not_begin_anew_fails_where_its_worker_died(kind):
    clock = ManualClock()
    store, source = MemoryStore(clock), Source(free=False)
    plan = adopt(AGENTS[kind](source), recover="fail")
    async with worker(store, plan, clock) as first:
        key = await started(first)
        await until(lambda: source.begun)
        die(first)
        await until(lambda: source.left)
    clock.advance(60)
    async with worker(store, plan, clock) as second:
        log = await end_of(second, key)
    assert ("run.failed", "E3046", 1) == (log[-1].type, log[-1].error.code, source.begun)


@pytest.mark.parametrize("kind", AGENTS)
async def test_a_question_is_answered_in_another_process_and_what_was_said_before_stands(kind):
    store, source = MemoryStore(), Source()
    async with worker(store, adopt(AGENTS[kind](source, asks=True))) as first:
        key = await started(first)
        (asked,) = await parked(first, key)
        before = list(source.made)
    assert "3" in str(asked.value)
    # Other objects: nothing but the log can know where the agent was.
    async with worker(store, adopt(AGENTS[kind](source, asks=True))) as second:
        await second.resume(key, {asked.id: True})
        log = await end_of(second, key)
        state = await second.state(key)
    assert "run.completed" == log[-1].type
    assert f"{TEXT}, True" == state["output"]
    assert {"input", "output"} == set(state), "what it keeps for itself is nobody's state"
    assert kind == "plain" or (list(WORDS), list(WORDS)) == (before, source.made), "it was begun again"
    assert heard(log).startswith(TEXT)


@pytest.mark.parametrize("kind", AGENTS)
async def test_an_agent_is_a_node_of_a_graph_by_the_keys_that_they_share(kind):
    async def after(state):
        return {"input": state["output"].upper()}

    graph = StateGraph(Words).add_node("agent", adopt(AGENTS[kind](Source()))).add_node(after)
    compiled = graph.add_edge(START, "agent").add_edge("agent", "after").add_edge("after", END).compile()
    log = [event async for event in compiled.astream({"input": "hello"})]
    assert TEXT == heard(log)
    assert {"input": TEXT.upper(), "output": TEXT} == await compiled.ainvoke({"input": "hello"})


@pytest.mark.parametrize("kind", [kind for kind in AGENTS if kind != "plain"])
async def test_an_agent_needs_no_word_more_to_be_added_to_a_graph(kind):
    graph = StateGraph(Words).add_node("teller", AGENTS[kind](Source())).add_edge(START, "teller")
    assert {"input": "hello", "output": TEXT} == await graph.compile().ainvoke({"input": "hello"})
    by_itself = StateGraph(Words).add_node(AGENTS[kind](Source()))
    assert [adopt(AGENTS[kind](Source())).name] == list(by_itself._nodes)


class Words(TypedDict, total=False):
    input: str
    output: str


class Others(TypedDict, total=False):
    question: str
    output: str


class Strangers(TypedDict, total=False):
    question: str
    answer: str


@pytest.mark.parametrize("kind", [kind for kind in AGENTS if kind != "plain"])
def test_an_agent_that_shares_no_key_with_its_graph_is_refused_with_the_keys(kind):
    with pytest.raises(GraphError) as raised:
        StateGraph(Strangers).add_node("teller", AGENTS[kind](Source()))
    assert "E1020" == raised.value.code
    assert "takes input" in raised.value.message
    assert "the keys of the state are question, answer" in raised.value.message


def test_an_agent_whose_result_has_no_key_in_its_graph_is_refused_too():
    with pytest.raises(GraphError, match=r"E1020 'teller' gives output; the keys of the state are question, answer"):
        StateGraph(Strangers).add_node("teller", adopt(AGENTS["pydantic_ai"](Source()), takes="question"))


async def test_an_agent_takes_and_gives_the_keys_that_are_named():
    agent = adopt(AGENTS["pydantic_ai"](Source()), name="asked", takes="question")
    assert "asked" == agent.name
    graph = StateGraph(Others).add_node(agent).add_edge(START, "asked").compile()
    assert {"question": "why?", "output": TEXT} == await graph.ainvoke({"question": "why?"})


@pytest.mark.parametrize("kind", [kind for kind in AGENTS if kind != "plain"])
async def test_no_input_and_no_result_has_what_an_agent_keeps_for_itself(kind):
    compiled = CompiledGraph(adopt(AGENTS[kind](Source(), asks=True)))
    with pytest.raises(InputError, match="E2010"):
        await compiled.ainvoke({"input": "hello", "__saved__": {"messages": []}})
    parked = await compiled.ainvoke({"input": "hello"})
    assert set() == {name for name in parked if name.startswith("__")} - {"__interrupt__"}


# --- what is refused ---


@pytest.mark.parametrize("agent", [3, "agent", {"a": 1}, int, asyncio.Queue])
def test_what_is_no_agent_is_refused_with_what_is_accepted(agent):
    with pytest.raises(GraphError, match="E1017") as raised:
        adopt(agent)
    assert ACCEPTED in raised.value.mend
    assert all(library.article in raised.value.mend for library in LIBRARIES)


@pytest.mark.parametrize(
    ("agent", "mend"),
    [
        (LangGraphBuilder(Words), "Give what its compile() gives back."),
        (PydanticAgent, "Make one: Agent(…)."),
        (OpenAIAgent, "Make one: Agent(…)."),
        (Telling, "Make one: Telling(…)."),
    ],
    ids=["langgraph", "pydantic_ai", "openai_agents", "llama_index"],
)
def test_what_is_not_ready_is_refused_with_what_is_lacking(agent, mend):
    with pytest.raises(GraphError) as raised:
        adopt(agent)
    assert ("E1019", mend) == (raised.value.code, raised.value.mend)
    with pytest.raises(GraphError, match="E1019"):
        create_app({"agent": agent}, store="memory:")


def test_what_is_no_agent_is_no_graph_for_a_server_either():
    with pytest.raises(LoadError, match=r"E6002 .* an agent of Pydantic AI"):
        create_app({"agent": 3}, store="memory:")


@pytest.mark.parametrize(
    ("kind", "needs", "line"),
    [
        ("langgraph", "langgraph.types", "langgraph"),
        ("pydantic_ai", "pydantic_ai", "pydantic-ai"),
        ("openai_agents", "agents", "openai-agents"),
        ("llama_index", "workflows", "llama-index"),
    ],
)
def test_an_agent_whose_library_is_not_there_names_the_line_that_installs_it(kind, needs, line, monkeypatch):
    agent = AGENTS[kind](Source())
    monkeypatch.setitem(sys.modules, needs, None)
    monkeypatch.delitem(sys.modules, f"riverrun.agents.{kind}", raising=False)
    with pytest.raises(GraphError) as raised:
        adopt(agent)
    assert ("E1018", f'pip install "riverrun[{line}]"') == (raised.value.code, raised.value.mend)


def test_every_library_has_an_extra_of_its_name():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {library.module.replace("_", "-") for library in LIBRARIES} <= set(project["optional-dependencies"])


def test_a_way_to_recover_that_is_none_or_that_a_function_cannot_have_is_refused():
    with pytest.raises(GraphError, match="E1012"):
        adopt(AGENTS["pydantic_ai"](Source()), recover=cast("Any", "perhaps"))
    with pytest.raises(GraphError, match="E1012"):
        adopt(AGENTS["plain"](Source()), recover="fail")


@pytest.mark.parametrize("kind", ["llama_index", "plain"])
def test_an_option_that_nobody_takes_is_refused(kind):
    with pytest.raises(GraphError, match=r"E1011 .*'deps'"):
        adopt(AGENTS[kind](Source()), deps=3)


def test_a_graph_stays_what_it_is():
    compiled = StateGraph(Words).add_node("a", lambda state: {}).add_edge(START, "a").compile()
    assert compiled.plan is adopt(compiled)
    assert compiled.plan is adopt(compiled.plan)
    assert library_of(compiled) is None


def test_no_library_is_imported_before_an_object_of_it_is_met():
    program = """
import json, sys
from riverrun.agents.adopt import adopt
from riverrun import StateGraph
async def plain(state): return {"a": 1}
adopt(plain)
StateGraph(dict).add_node(plain)
names = ("langgraph", "langchain_core", "pydantic_ai", "agents", "workflows")
print(json.dumps([each for each in names if each in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=True)
    assert [] == json.loads(done.stdout)


# --- over HTTP ---


@pytest.mark.parametrize("kind", AGENTS)
def test_a_server_takes_an_agent_as_it_is_and_a_reader_who_comes_back_misses_nothing(kind):
    source = Source()
    with serving_only({"agent": AGENTS[kind](source)}) as served:
        run = served.start("agent", input="hello")
        whole = served.whole(run)
        ids = [block.id for block in Parser().feed(whole) if block.id]
        middle = ids[len(ids) // 2]
        with reading(served, run, middle) as blocks:
            rest = [block.id for block in blocks if block.id]
    assert ids[len(ids) // 2 + 1 :] == [each for each in rest if each != middle]
    assert all(word.strip() in whole.decode() for word in WORDS)


# --- nothing is left behind ---


def cycles(compiled, source, count):
    """Run an agent many times in a loop of its own; half of the runs end by themselves, half are left in the middle.

    Timers of a loop keep what they would have called for a while after they were cancelled; they end with it.
    """

    async def run():
        for number in range(count):
            source.free = not number % 2
            if not source.free:
                source.let()  # the first word only
            async with aclosing(compiled.astream({"input": "hello"})) as events:
                async for event in events:
                    if not source.free and isinstance(event, NodeChunk):
                        break
        left = asyncio.all_tasks() - {asyncio.current_task()}
        # What the OpenAI SDK still has to close of the last run, it closes in a task that nobody can wait for.
        assert not left or not (await asyncio.wait(left, timeout=5))[1]

    asyncio.run(run())
    gc.collect()
    source.made.clear()
    return len(gc.get_objects()), sum(not each.name.startswith("riverrun-watchdog") for each in threading.enumerate())


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", AGENTS)
def test_a_thousand_runs_leave_nothing_behind(kind):
    source = Source()
    compiled = CompiledGraph(adopt(AGENTS[kind](source)))
    objects, threads = cycles(compiled, source, 50)  # what is loaded and kept once
    more, at_last = cycles(compiled, source, 1000)
    assert threads == at_last
    assert (1050, 525) == (source.begun, source.left)
    assert more - objects < 500, "something is kept of every second run"
