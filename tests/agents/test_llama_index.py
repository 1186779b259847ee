"""A real LlamaIndex workflow, adopted: its steps, its branches, what they write to the stream, its questions."""

from __future__ import annotations

from typing import Any

from workflows import Context, Workflow, step
from workflows.events import Event, HumanResponseEvent, InputRequiredEvent, StartEvent, StopEvent
from workflows.retry_policy import retry_policy, stop_after_attempt, wait_fixed

from riverrun.agents.adopt import adopt
from riverrun.events.kinds import Custom, NodeChunk, NodeCompleted, NodeFailed, NodeStarted
from riverrun.face.compiled import CompiledGraph
from riverrun.face.saver import InMemorySaver
from riverrun.graph.node import Command
from riverrun.log.view import View

THREAD = {"configurable": {"thread_id": "1"}}


def threaded(workflow: Any) -> CompiledGraph:
    """Adopt, and keep threads."""
    return CompiledGraph(adopt(workflow), checkpointer=InMemorySaver())


async def log_of(graph: CompiledGraph, given: Any, config: Any = None) -> list[Any]:
    """Run and give the events."""
    return [event async for event in graph.astream(given, config)]


class Part(Event):  # type: ignore[misc]  # its types are not followed
    number: int


class Half(Event):  # type: ignore[misc]  # its types are not followed
    number: int


class Piece(Event):  # type: ignore[misc]  # its types are not followed
    delta: str


class Progress(Event):  # type: ignore[misc]  # its types are not followed
    percent: int


class Asked(HumanResponseEvent):  # type: ignore[misc]  # its types are not followed
    colour: str


class Parts(Workflow):  # type: ignore[misc]  # its types are not followed
    """Two parts are done side by side; their sum is confirmed by somebody, if that is wanted."""

    def __init__(self, *, asks: bool = False) -> None:
        super().__init__(timeout=None)
        self.asks = asks

    @step
    async def split(self, ctx: Context, ev: StartEvent) -> Part | None:
        ctx.write_event_to_stream(Piece(delta=f"{ev.topic}: "))
        ctx.write_event_to_stream(Progress(percent=10))
        for number in (1, 2):
            ctx.send_event(Part(number=number))
        return None

    @step(num_workers=2)
    async def work(self, ctx: Context, ev: Part) -> Half:
        return Half(number=ev.number)

    @step
    async def meet(self, ctx: Context, ev: Half) -> InputRequiredEvent | StopEvent | None:
        halves = ctx.collect_events(ev, [Half, Half])
        if halves is None:
            return None
        total = sum(each.number for each in halves)
        await ctx.store.set("total", total)
        return InputRequiredEvent(shall=total) if self.asks else StopEvent(result={"total": total})

    @step
    async def end(self, ctx: Context, ev: Asked) -> StopEvent:
        return StopEvent(result=f"{await ctx.store.get('total')} in {ev.colour}")


async def test_runs_of_steps_are_executions_below_the_agent_also_side_by_side():
    log = await log_of(CompiledGraph(adopt(Parts())), {"input": {"topic": "rivers"}})
    began = [event.exec.removeprefix("agent:1~1/") for event in log if isinstance(event, NodeStarted)]
    assert {"agent:1", "split:1", "work:1", "work:2", "meet:1", "meet:2"} == set(began)
    assert len(began) == sum(isinstance(event, NodeCompleted) for event in log)
    assert ["rivers: "] == [event.value for event in log if isinstance(event, NodeChunk) and event.node == "split"]
    assert [("Progress", {"percent": 10})] == [(each.name, each.value) for each in log if isinstance(each, Custom)]
    assert ({"output": {"total": 3}},) == log[-2].writes


async def test_a_question_is_answered_by_the_event_that_the_workflow_has_for_it():
    graph = threaded(Parts(asks=True))
    log = await log_of(graph, {"input": {"topic": "rivers"}}, THREAD)
    assert [{"shall": 3}] == [each.value for each in log[-1].questions]
    log = await log_of(graph, Command(resume={"colour": "blue"}), THREAD)
    assert ["agent", "end"] == [event.node for event in log if isinstance(event, NodeStarted) and event.node != "ask"]
    assert "3 in blue" == (await graph.aget_state(THREAD)).values["output"]


class Waiting(Workflow):  # type: ignore[misc]  # its types are not followed
    """A step that waits in its middle, and so begins again with the answer."""

    @step
    async def ask(self, ctx: Context, ev: StartEvent) -> StopEvent:
        ctx.write_event_to_stream(Piece(delta="well, "))
        asked = InputRequiredEvent(prefix="who?")
        answer = await ctx.wait_for_event(HumanResponseEvent, waiter_event=asked, waiter_id="who")
        return StopEvent(result=answer.response)


async def test_what_a_step_says_before_it_waits_is_said_again_and_stands_once():
    graph = threaded(Waiting())
    log = await log_of(graph, {"input": {}}, THREAD)
    assert [{"prefix": "who?"}] == [each.value for each in log[-1].questions]
    log += await log_of(graph, Command(resume="Ada"), THREAD)
    view = View()
    for event in log:
        view.apply(event)
    assert "well, " == "".join(message.text for message in view.messages.values())
    assert "Ada" == (await graph.aget_state(THREAD)).values["output"]


class Flaky(Workflow):  # type: ignore[misc]  # its types are not followed
    """A step that the library runs again when it fails."""

    tries = 0

    @step(retry_policy=retry_policy(wait=wait_fixed(0), stop=stop_after_attempt(3)))
    async def work(self, ctx: Context, ev: StartEvent) -> StopEvent:
        ctx.write_event_to_stream(Piece(delta="half "))
        self.tries += 1
        if self.tries == 1:
            raise ValueError("not yet")
        ctx.write_event_to_stream(Piece(delta="whole"))
        return StopEvent(result="done")


async def test_a_step_that_its_library_tries_again_says_what_it_says_once():
    log = await log_of(CompiledGraph(adopt(Flaky(timeout=None))), {})
    (failed,) = [event for event in log if isinstance(event, NodeFailed)]
    assert failed.tolerated
    view = View()
    for event in log:
        view.apply(event)
    assert "half whole" == "".join(message.text for message in view.messages.values())


class Counting(Workflow):  # type: ignore[misc]  # its types are not followed
    """What it counts is kept between the runs of a thread."""

    @step
    async def count(self, ctx: Context, ev: StartEvent) -> StopEvent:
        count = await ctx.store.get("count", default=0) + 1
        await ctx.store.set("count", count)
        return StopEvent(result=count)


async def test_runs_of_a_thread_share_the_store_of_their_context():
    graph = threaded(Counting())
    assert [1, 2] == [(await graph.ainvoke({}, THREAD))["output"] for _ in range(2)]
    assert 1 == (await graph.ainvoke({}, {"configurable": {"thread_id": "2"}}))["output"]


class Fields(Workflow):  # type: ignore[misc]  # its types are not followed
    """It gives back what it was given."""

    @step
    async def tell(self, ev: StartEvent) -> StopEvent:
        return StopEvent(result=ev.get("input"))


async def test_what_is_no_mapping_is_the_field_input_of_the_start():
    assert [1, 2] == (await CompiledGraph(adopt(Fields())).ainvoke({"input": [1, 2]}))["output"]


async def test_what_is_not_what_a_workflow_left_is_refused():
    graph = threaded(Counting())
    await graph.ainvoke({}, THREAD)
    await graph.aupdate_state(THREAD, {"__saved__": {"version": "none", "workers": 3}})
    log = await log_of(graph, {"input": {}}, THREAD)
    assert ("run.failed", "E3047") == (log[-1].type, log[-1].error.code)
