"""An agent of the OpenAI Agents SDK as an adopted agent.

Each agent that speaks is a strand (a handoff begins another), each tool call one below it. Tool calls that need
approval are questions. What it needs to go on is the SDK's own `RunState`; what a later run of its thread needs, its
items.

Imported when such an agent is met, and not before (`riverrun.agents.adopt`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from functools import partial
from typing import Any

import msgspec
from agents import RunContextWrapper, Runner, RunState
from agents.exceptions import UserError

from riverrun.agents.strands import Strand, Strands, usage
from riverrun.agents.stretch import Done, Kind, Stretch, as_prompt, asks_for_call, verdict
from riverrun.base.errors import NodeError


def read(agent: Any, name: str | None, takes: str, gives: str, options: Mapping[str, Any]) -> Kind:
    """Say what is to be known of an agent.

    Args:
        agent: The agent that a run begins with.
        name: Name that it gets; None: its own.
        takes: Key of the state for what is said to it: a text, or a list of items.
        gives: Key of the state for the final output.
        options: What `Runner.run_streamed` is given besides, such as `context` or `max_turns`.

    Returns:
        The kind.
    """
    called = name or agent.name or "agent"
    run = partial(_run, agent, takes, gives, dict(options))
    return Kind(name=called, run=run, takes=(takes,), gives=(gives,), where=f"OpenAI agent {called!r}")


async def _run(agent: Any, takes: str, gives: str, options: dict[str, Any], stretch: Stretch) -> Done:
    given = await _begin(agent, takes, options, stretch)
    result = Runner.run_streamed(agent, given, **options)
    told = _Telling(stretch.strands)
    try:
        async with aclosing(_events(result)) as events:
            async for event in events:
                told.hear(event)
                await stretch.strands.room()
    finally:
        await _leave(result)
    told.end()
    took, model = result.context_wrapper.usage, agent.model if isinstance(agent.model, str) else ""
    stretch.strands.tell("riverrun.usage", usage(model, input=took.input_tokens, output=took.output_tokens))
    if result.interruptions:
        asks = tuple(
            asks_for_call(each.call_id or "", each.name or "tool", _read_args(each.arguments))
            for each in result.interruptions
        )
        return Done(saved={"state": result.to_state().to_json()}, asks=asks)
    if not result.is_complete:
        raise NodeError("E3048", f"agent {agent.name!r} ended without a result")
    return Done(update={gives: result.final_output}, saved={"items": result.to_input_list()} if stretch.keeps else None)


async def _begin(agent: Any, takes: str, options: Mapping[str, Any], stretch: Stretch) -> Any:
    saved = stretch.saved or {}
    if stretch.answers is None:
        given = as_prompt(stretch.given.get(takes))
        before = saved.get("items") or []
        added = given if isinstance(given, list) else [{"role": "user", "content": given}]
        return [*before, *added] if before else given
    override = RunContextWrapper(context=options["context"]) if "context" in options else None
    try:
        state = await RunState.from_json(agent, saved["state"], context_override=override)
    except (UserError, KeyError) as error:
        raise NodeError("E3047", f"this is not what an OpenAI agent left: {error}") from None
    for item in state.get_interruptions():
        said_to_it = verdict(stretch.answers[item.call_id or ""])
        if said_to_it.approve:
            state.approve(item)
        else:
            state.reject(item, rejection_message=said_to_it.reason or None)
    return state


async def _events(result: Any) -> Any:
    """Give the events; left early, tell the run first: its own stream would let it run to its end."""
    stream = result.stream_events()
    try:
        async for event in stream:
            yield event
    finally:
        if not result.is_complete:
            result.cancel()
        await stream.aclose()


async def _leave(result: Any) -> None:
    """Wait until the run has let go of its model."""
    task = result.run_loop_task
    if task is not None and not task.done():
        task.cancel()
        await asyncio.wait([task])


def _read_args(text: str | None) -> Any:
    try:
        return msgspec.json.decode(text or "null")
    except msgspec.DecodeError:
        return text


class _Telling:
    """What the SDK streams, as strands.

    Args:
        strands: Where they are.
    """

    def __init__(self, strands: Strands) -> None:
        self._strands = strands
        self._agent: Strand | None = None
        self._tools: dict[str, Strand] = {}  # by the id of the call
        self._messages: dict[str, str] = {}  # names of the messages of the strand, by the ids of their items

    def hear(self, event: Any) -> None:
        """Take in one event of the stream."""
        if event.type == "raw_response_event":
            self._raw(event.data)
        elif event.type == "run_item_stream_event":
            self._item(event.name, event.item)
        elif event.type == "agent_updated_stream_event":
            self.end()
            self._agent = self._strands.open(event.new_agent.name)

    def end(self) -> None:
        """Take in that the agent that spoke has ended."""
        if self._agent is not None:
            self._agent.complete()
        self._agent, self._messages = None, {}

    def _speaking(self) -> Strand:
        self._agent = self._agent or self._strands.open("agent")
        return self._agent

    def _raw(self, data: Any) -> None:
        kind = data.type
        if kind == "response.output_text.delta":
            self._speaking().say(data.delta, self._message(f"{data.item_id}:{data.output_index}:{data.content_index}"))
        elif kind in _REASONING:
            self._speaking().reason(data.delta, data.output_index)
        elif kind == "response.output_item.added" and data.item.type == "function_call":
            self._speaking().call(data.output_index, identity=data.item.call_id, name=data.item.name)
        elif kind == "response.function_call_arguments.delta":
            self._speaking().call(data.output_index, data.delta)
        elif kind == "response.created":
            self._messages = {}

    def _message(self, item: str) -> str:
        # Some models call every item by the same id, so a new response begins new messages.
        if item not in self._messages:
            strand = self._speaking()
            self._messages[item] = strand.next_message()
        return self._messages[item]

    def _item(self, name: str, item: Any) -> None:
        if name == "tool_called":
            called = _of(item.raw_item, "name") or _of(item.raw_item, "type") or "tool"
            self._tools[_call_id(item)] = self._tool(str(called), item)
        elif name == "tool_output":
            strand = self._tools.pop(_call_id(item), None) or self._tool("tool", item)
            strand.complete(item.output)
        elif name in ("handoff_requested", "handoff_occured"):
            self._speaking().tell(f"openai_agents.{name}", item.raw_item)

    def _tool(self, name: str, item: Any) -> Strand:
        return self._strands.open(name, self._speaking().inside, tool_call=_call_id(item))


_REASONING = ("response.reasoning_summary_text.delta", "response.reasoning_text.delta")


def _call_id(item: Any) -> str:
    return str(_of(item.raw_item, "call_id") or _of(item.raw_item, "id") or "")


def _of(raw: Any, name: str) -> Any:
    return raw.get(name) if isinstance(raw, Mapping) else getattr(raw, name, None)
