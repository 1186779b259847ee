"""The chat node in a graph: chunks, the message, what readers are told, retries, time-outs, a stop."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Annotated, Any, TypedDict

import pytest
from msgspec import Struct

from riverrun import END, START, RetryPolicy, StateGraph, TimeoutPolicy, add_messages
from riverrun.base.errors import ConnectionFault, InputError
from riverrun.events.kinds import Custom, NodeChunk, NodeCompleted, NodeRetrying, RunFailed, RunStopped
from riverrun.models.chat import chat_node, text_of
from riverrun.models.model import ToolSpec
from riverrun.models.offline import OfflineModel
from riverrun.models.pieces import Finish, Reasoning, Text, ToolCall, Usage
from tests.leaks import held
from tests.models.dialects import DIALECTS, Chat
from tests.models.provider import RESET, Reply, providing, refusal
from tests.runs.plans import until

CHAT = Chat()
AT_ONCE = RetryPolicy(initial_interval=0.0, jitter=False)


class State(TypedDict, total=False):
    """A conversation, and a text."""

    messages: Annotated[list[Any], add_messages]
    answer: str


class Seen(Struct):
    """The same, as an instance."""

    messages: Annotated[list[Any], add_messages]


def graph(model, *, key=None, state: Any = State, retry_policy=None, timeout=None, **options):
    made = StateGraph(state)
    made.add_node("chat", chat_node(model, **options), key=key, retry_policy=retry_policy, timeout=timeout)
    return made.add_edge(START, "chat").add_edge("chat", END).compile()


async def run(compiled, asked="Hello."):
    started = await compiled.start({"messages": [asked]})
    return [event async for event in started.events()], started.state()


def whole(*texts):
    return Reply(frames=[*CHAT.begin(), *(CHAT.text(each) for each in texts), *CHAT.end()])


def texts_of(log, attempt=1):
    return [event.value for event in log if isinstance(event, NodeChunk) and event.attempt == attempt]


def told(log, name):
    return [event.value for event in log if isinstance(event, Custom) and event.name == f"riverrun.{name}"]


class Scripted:
    """A model that says what it was made with."""

    name = "scripted"

    def __init__(self, *pieces):
        self.pieces = pieces
        self.asked: list[Any] = []
        self.closed = 0

    async def stream(self, messages, tools=(), **options):
        self.asked.append((messages, tools, options))
        try:
            for piece in self.pieces:
                if isinstance(piece, asyncio.Event):
                    await piece.wait()
                else:
                    yield piece
        finally:
            self.closed += 1


async def test_text_streams_as_chunks_and_the_answer_becomes_one_message():
    async with providing(whole("To ", "the ", "sea.")) as provider:
        model = CHAT.model(provider)
        log, state = await run(graph(model))
        await model.aclose()
    assert ["To ", "the ", "sea."] == texts_of(log)
    assert [0, 3, 7] == [event.start for event in log if isinstance(event, NodeChunk)]
    answer = state["messages"][-1]
    assert ("assistant", "To the sea.", "gpt-test") == (answer["role"], answer["content"], answer["model"])
    assert f"{log[0].run}.chat:1" == answer["id"]


async def test_what_it_cost_and_how_long_the_first_piece_took_is_an_event():
    async with providing(whole("Sea.")) as provider:
        model = CHAT.model(provider)
        log, _ = await run(graph(model))
        await model.aclose()
    (usage,) = told(log, "usage")
    assert {"model": "gpt-test", "input": 7, "output": 3, "cached": 2, "reasoning": 1, "finish": "stop"}.items() <= (
        usage.items()
    )
    assert 0 < usage["first_chunk_seconds"] <= usage["seconds"]


async def test_reasoning_and_calls_of_tools_are_told_beside_the_text():
    pieces = (Reasoning("Hm."), ToolCall(0, "1", "add"), Text("So: "), ToolCall(0, arguments='{"a": 1}'), Text(""),
              Finish("tool_calls"))  # fmt: skip
    log, state = await run(graph(Scripted(*pieces)))
    assert ["So: "] == texts_of(log)
    assert [{"text": "Hm."}] == told(log, "reasoning")
    assert [{"index": 0, "id": "1", "name": "add"}, {"index": 0, "arguments": '{"a": 1}'}] == told(log, "tool_call")
    assert [{"id": "1", "name": "add", "arguments": {"a": 1}}] == state["messages"][-1]["tool_calls"]


async def test_an_answer_may_be_stored_as_the_text_of_a_key_and_then_stands_in_the_log_once():
    log, state = await run(graph(Scripted(Text("To "), Text("sea."), Finish("stop")), into=None, key="answer"))
    assert ("To sea.", 1) == (state["answer"], len(state["messages"]))
    (completed,) = [event for event in log if isinstance(event, NodeCompleted)]
    assert ((), {"answer": "text"}) == (completed.writes, completed.folds)


async def test_the_model_is_told_the_system_the_tools_the_options_and_a_mended_conversation():
    model = Scripted(Finish("stop"))
    tool = ToolSpec(name="add")
    compiled = graph(model, system="Be short.", tools=[tool], temperature=0)
    dangling = {"role": "assistant", "content": "", "id": "a", "tool_calls": [{"id": "1", "name": "add", "args": {}}]}
    await compiled.ainvoke({"messages": ["hi", dangling, {"role": "user", "content": "go on", "id": "u"}]})
    ((messages, tools, options),) = model.asked
    assert ["system", "user", "assistant", "tool", "user"] == [one["role"] for one in messages]
    assert "E3042" == messages[3]["error"]
    assert ([tool], {"temperature": 0}) == (tools, options)


async def test_a_function_of_the_state_may_say_what_is_asked():
    model = Scripted(Text("x"), Finish("stop"))
    await run(graph(model, ask=lambda state: f"Translate: {state['messages'][0]['content']}"))
    assert [{"role": "user", "content": "Translate: Hello."}] == model.asked[0][0]


async def test_a_state_that_is_seen_as_an_instance_will_do():
    _, state = await run(graph(Scripted(Text("x"), Finish("stop")), state=Seen))
    assert "x" == state["messages"][-1]["content"]


async def test_a_state_without_a_conversation_says_which_key_is_missing():
    compiled = graph(Scripted(Finish("stop")), ask="answer")
    log, _ = await run(compiled)
    assert "E2010" == log[-1].error.code
    assert "'answer'" in log[-1].error.message


def test_what_is_no_model_is_refused_when_the_node_is_made():
    with pytest.raises(InputError, match="E1016"):
        chat_node("gpt")  # type: ignore[arg-type]


async def test_the_text_of_an_answer_may_be_a_value_of_a_node():
    model = Scripted(Reasoning("Hm."), Text("To "), Text(""), Text("sea."), Finish("stop"))

    async def answer(state):
        return {"answer": text_of(model, "Where?", system="Be short.")}

    graph = StateGraph(State).add_node(answer).add_edge(START, "answer").compile()
    assert "To sea." == (await graph.ainvoke({}))["answer"]
    assert ["system", "user"] == [one["role"] for one in model.asked[0][0]]
    with pytest.raises(ConnectionFault, match="E3031"):
        [_ async for _ in text_of(Scripted(Text("half")), "?")]
    with pytest.raises(InputError, match="E1016"):
        [_ async for _ in text_of(None, "?")]  # type: ignore[arg-type]


# --- faults ---


@pytest.mark.parametrize("ending", [[], [RESET]], ids=["clean end", "reset"])
async def test_an_answer_that_breaks_off_is_void_and_asked_for_again_and_then_there_once(ending):
    broken = Reply(frames=[*CHAT.begin(), CHAT.text("To the l"), *ending])
    async with providing(broken, whole("To ", "the sea.")) as provider:
        model = CHAT.model(provider)
        log, state = await run(graph(model, retry_policy=AT_ONCE))
        await model.aclose()
        assert 2 == len(provider.requests)
    (again,) = [event for event in log if isinstance(event, NodeRetrying)]
    assert again.error is not None
    assert ("failed", "E3031", ("chat:1",)) == (again.reason, again.error.code, again.voids)
    assert ["To ", "the sea."] == texts_of(log, attempt=2)
    assert ["Hello.", "To the sea."] == [one["content"] for one in state["messages"]]


async def test_without_a_policy_an_answer_that_breaks_off_fails_the_run_honestly():
    async with providing(Reply(frames=[*CHAT.begin(), CHAT.text("To the l")])) as provider:
        model = CHAT.model(provider)
        log, state = await run(graph(model))
        await model.aclose()
    assert isinstance(log[-1], RunFailed)
    assert ("E3031", ("chat:1",), 1) == (log[-1].error.code, log[-1].partial, len(state["messages"]))


async def test_a_model_of_anybody_s_that_ends_without_a_reason_is_no_success_either():
    model = Scripted(Text("half"))
    log, _ = await run(graph(model))
    assert ("E3031", 1) == (log[-1].error.code, model.closed)


async def test_the_provider_says_how_long_to_wait_before_the_next_attempt():
    async with providing(refusal(429, retry_after_ms="40"), whole("Sea.")) as provider:
        model = CHAT.model(provider)
        log, _ = await run(graph(model, retry_policy=AT_ONCE))
        await model.aclose()
    (again,) = [event for event in log if isinstance(event, NodeRetrying)]
    assert again.error is not None
    assert ("E3032", 0.04) == (again.error.code, again.delay)
    assert "run.completed" == log[-1].type


async def test_nobody_waits_until_tomorrow():
    async with providing(refusal(503, retry_after="86400")) as provider:
        model = CHAT.model(provider)
        log, _ = await run(graph(model, retry_policy=AT_ONCE))
        await model.aclose()
        assert ("E3032", 1) == (log[-1].error.code, len(provider.requests))


async def test_a_refused_request_is_not_sent_again():
    async with providing(refusal(401, "bad key")) as provider:
        model = CHAT.model(provider)
        log, _ = await run(graph(model, retry_policy=AT_ONCE))
        await model.aclose()
        assert ("E3033", 1) == (log[-1].error.code, len(provider.requests))


@pytest.mark.parametrize("limit", ["first_chunk_timeout", "idle_timeout"])
async def test_a_provider_that_falls_silent_is_cut_off_and_its_connection_closed(limit):
    begun = [] if limit == "first_chunk_timeout" else [CHAT.text("To ")]
    silent = Reply(frames=[*CHAT.begin(), *begun], hold=True)
    async with providing(whole("x"), silent) as provider:
        model = CHAT.model(provider)
        await run(graph(model))  # what is loaded with the first request takes longer than the limit
        log, _ = await run(graph(model, timeout=TimeoutPolicy(**{limit: 0.1})))
        await (await provider.asked(2)).left.wait()
        await model.aclose()
    assert "E3016" == log[-1].error.code
    assert limit in log[-1].error.message


@pytest.mark.parametrize("dialect", DIALECTS, ids=[each.name for each in DIALECTS])
async def test_a_stop_closes_the_connection_to_the_provider_and_keeps_the_text_so_far(dialect):
    frames = [*dialect.begin(), dialect.text("To the ")]
    async with providing(Reply(frames=frames, hold=True)) as provider:
        model = dialect.model(provider)
        started = await graph(model).start({"messages": ["Hello."]})
        async with aclosing(started.events()) as events:
            async for event in events:
                if isinstance(event, NodeChunk):
                    break
        await started.stop("enough")
        await (await provider.asked()).left.wait()
        log = [event async for event in started.events()]
        await model.aclose()
    assert isinstance(log[-1], RunStopped)
    assert (["To the "], ("chat:1",)) == (texts_of(log), log[-1].partial)


@pytest.mark.parametrize("dialect", DIALECTS, ids=[each.name for each in DIALECTS])
async def test_each_chunk_is_with_the_reader_before_the_provider_sends_the_next(dialect):
    gates = [asyncio.Event() for _ in range(4)]
    frames = [*dialect.begin()]
    for number, gate in enumerate(gates):
        frames += [dialect.text(f"{number} "), gate]
    async with providing(Reply(frames=[*frames, *dialect.end()])) as provider:
        model = dialect.model(provider)
        waiting = list(gates)
        async for event in graph(model).astream({"messages": ["Hello."]}):
            if isinstance(event, NodeChunk):
                assert f"{len(gates) - len(waiting)} " == event.value
                waiting.pop(0).set()
        await model.aclose()
    assert [] == waiting


async def test_a_model_is_closed_whether_it_is_read_to_the_end_or_fails_or_is_stopped():
    gate = asyncio.Event()
    ends, fails, hangs = (
        Scripted(Text("x"), Finish("stop")),
        Scripted(Text("x"), Usage()),
        Scripted(Text("x"), gate),
    )
    await run(graph(ends))
    await run(graph(fails))
    started = await graph(hangs).start({"messages": ["?"]})
    async with aclosing(started.events()) as events:
        async for event in events:
            if isinstance(event, NodeChunk):
                break
    await started.stop()
    with pytest.raises(Exception, match="E3011"):
        await started.result()
    assert [1, 1, 1] == [each.closed for each in (ends, fails, hangs)]


async def test_the_offline_model_needs_no_provider():
    log, state = await run(graph(OfflineModel()), "The river runs to the sea. Where does the river run?")
    assert "The river runs to the sea." == state["messages"][-1]["content"]
    assert 6 == len(texts_of(log))


def test_a_graph_with_a_model_runs_in_one_loop_after_another():
    # Each call of `invoke` has a loop of its own; connections of a loop that is gone would be of no use.
    model = OfflineModel()
    compiled = graph(model)
    for _ in range(3):
        assert "assistant" == compiled.invoke({"messages": ["The sea."]})["messages"][-1]["role"]


# --- nothing is left behind ---


async def cycles(compiled, provider, begun, whole, count):
    """Run a chat node many times; every second run is stopped while the provider holds its answer open."""
    for number in range(count):
        provider.replies = [begun if number % 2 else whole]
        started = await compiled.start({"messages": ["Hello."]})
        async with aclosing(started.events()) as events:
            async for event in events:
                if number % 2 and isinstance(event, NodeChunk):
                    await started.stop()
        await started.settled()
    for request in provider.requests[1::2]:
        await request.left.wait()
    provider.requests.clear()


@pytest.mark.slow
@pytest.mark.parametrize("dialect", DIALECTS, ids=[each.name for each in DIALECTS])
async def test_a_thousand_runs_that_ended_or_were_stopped_leave_nothing_behind(dialect):
    begun = Reply(frames=[*dialect.begin(), dialect.thought("Hm."), dialect.text("To ")], hold=True)
    whole = Reply(frames=[*begun.frames, *dialect.call(0, "1", "add", "{}"), *dialect.end()])
    async with providing() as provider:
        model = dialect.model(provider)
        compiled = graph(model)
        await cycles(compiled, provider, begun, whole, 100)  # what is loaded and kept once
        before = held()
        await cycles(compiled, provider, begun, whole, 1000)
        await until(lambda: provider.open <= 1)  # the one that was read to its end is used again
        # Timers that were called off stay until their loop clears them away, and hold whose they were.
        await until(lambda: held().objects - before.objects < 500)
        after = held()
        await model.aclose()
        await until(lambda: provider.open == 0)
    assert after.threads == before.threads
    assert after.files <= before.files + 2
