"""An agent as a ready-made graph: a model, its tools, and back to the model until it calls none.

    START → model ─┬─ tool (one execution for each call, at once) ─→ model
                   └─ END

Each call is an execution of its own: it streams, is asked about, tried again and recovered without the others. What a
call is, is `riverrun.agents.call`'s to know.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Annotated, Any, TypedDict

from riverrun.agents.call import answer_call
from riverrun.agents.tool import FunctionTool, Tool
from riverrun.base.errors import GraphError
from riverrun.events.kinds import Send
from riverrun.graph.build import GraphBuilder
from riverrun.graph.node import END, START
from riverrun.graph.plan import Plan
from riverrun.graph.policies import RetryPolicy
from riverrun.graph.reducers import add_messages
from riverrun.models.chat import chat_node
from riverrun.models.model import Model
from riverrun.runs.context import Context
from riverrun.runs.pool import Pool

MODEL = "model"
TOOL = "tool"


class Conversation(TypedDict, total=False):
    """The state of an agent."""

    messages: Annotated[list[Any], add_messages]


def agent(  # what can be said of an agent
    model: Model,
    tools: Sequence[Tool | Callable[..., Any]] = (),
    *,
    system: str | None = None,
    name: str = "agent",
    retry_policy: Any = RetryPolicy(),  # noqa: B008  # frozen
    timeout: Any = None,
    pool: Pool | None = None,
    **options: Any,
) -> Plan:
    """Make a graph of a model and the tools that it may call.

    It takes and gives `messages`. Calls of one answer run at once. A tool that raises, hangs or gives back too much is
    an error result that the model reads; a tool with `approval` asks first (answer: true, false, or an `Approved`).
    After a stop the conversation can go on: calls that were cut off are answered as such.

    Args:
        model: Whom to ask.
        tools: What it may call: functions, `tool(function, …)`, or tools of an MCP server.
        system: What the model is told first.
        name: Name of the graph.
        retry_policy: When the model is asked again, as in `add_node`; by default three times in all, where the
            provider is not reached, breaks off or is busy.
        timeout: When an attempt of the model is cut off, as in `add_node`.
        pool: Where sync tools run; None: threads of its own, 10 that stay and up to 20 while 200 calls wait.
        **options: For the provider, such as `temperature`.

    Returns:
        The plan: serve it (`create_app({"agent": plan})`), run it (`CompiledGraph(plan)`), or add it to a graph as a
        node. How many turns a run may take, its `recursion_limit` says.

    Raises:
        GraphError: E1014, something is no tool; E1015, two tools have one name; E1012, a policy is none.
        InputError: E1016, the model is none.
    """
    known = tools_by_name(tools)
    threads = pool or Pool(10, 20)

    async def call(state: Any, ctx: Context) -> AsyncGenerator[Any, None]:
        async for output in answer_call(known, state, ctx, threads):
            yield output if isinstance(output, str) else {"messages": [output]}

    made = GraphBuilder(Conversation)
    node = chat_node(model, system=system, tools=[each.spec for each in known.values()], **options)
    made.add_node(MODEL, node, retry_policy=retry_policy, timeout=timeout)
    made.add_edge(START, MODEL)
    if known:
        made.add_node(TOOL, call).add_edge(TOOL, MODEL)
        made.add_conditional_edges(MODEL, calls_of, [TOOL, END])
    else:
        made.add_edge(MODEL, END)
    return made.plan(name)


def tools_by_name(tools: Sequence[Tool | Callable[..., Any]]) -> dict[str, Tool]:
    """Give tools by their names, functions made into tools.

    Args:
        tools: Tools and functions.

    Returns:
        The tools, in the same order.

    Raises:
        GraphError: E1014, something is no tool; E1015, two have one name.
    """
    known: dict[str, Tool] = {}
    for each in tools:
        made: Any = each if hasattr(each, "spec") else FunctionTool(each)
        if made.spec.name in known:
            raise GraphError("E1015", f"there are two tools {made.spec.name!r}")
        known[made.spec.name] = made
    return known


def calls_of(state: Mapping[str, Any]) -> list[Send] | str:
    """Say what follows an answer: one execution for each call in it, or the end."""
    last = state["messages"][-1]
    return [Send(TOOL, dict(call)) for call in last.get("tool_calls") or ()] or END
