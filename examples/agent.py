"""An agent with tools: one streams, one asks first. Without a key it runs on the offline model: python agent.py.

Serve it instead, with `riverrun dev agent.py:graph`: a call that waits to be allowed then waits in the log.
"""

import asyncio
import os
from collections.abc import AsyncIterator

from riverrun import CompiledGraph, NodeChunk
from riverrun.agents.loop import agent
from riverrun.agents.tool import Progress, tool
from riverrun.events.kinds import Custom, RunInterrupted
from riverrun.models.model import Model
from riverrun.models.offline import OfflineModel

RIVERS = {"Liffey": 132, "Shannon": 360, "Lee": 90}


async def search(query: str) -> AsyncIterator[str | Progress]:
    """Search the list of rivers.

    Args:
        query: Part of a name.
    """
    for number, (river, length) in enumerate(RIVERS.items(), 1):
        yield Progress(number / len(RIVERS))
        if query.lower() in river.lower():
            yield f"{river}: {length} km. "


@tool(approval=True)
def rename(old: str, new: str) -> str:
    """Give a river another name."""
    RIVERS[new] = RIVERS.pop(old)
    return f"{old} is now {new}"


def chosen() -> Model:
    """Give the model of the environment's provider, or the one that needs none."""
    if not os.environ.get("OPENAI_API_KEY"):
        return OfflineModel(pace=0.02)
    from riverrun.models.openai import OpenAIChat  # noqa: PLC0415  # an extra

    return OpenAIChat(os.environ.get("OPENAI_MODEL", "gpt-5-mini"))


graph = CompiledGraph(agent(chosen(), [search, rename], system="You know the rivers of Ireland."))


async def main() -> None:
    """Ask for two things at once; allow what needs to be allowed."""
    asked = 'Please search "li" and rename {"old": "Lee", "new": "An Laoi"}.'
    run = await graph.start({"messages": [asked]})
    async for event in run.events():
        if isinstance(event, NodeChunk):
            print(event.value, end="", flush=True)
        elif isinstance(event, Custom) and event.name == "riverrun.tool":
            print(f"\n[{event.value['name']} {event.value['state']}] ", end="")
        elif isinstance(event, RunInterrupted):
            print(f"\n[allowed: {event.questions[0].value['call']['arguments']}] ", end="")
            await run.resume({event.questions[0].id: True})
    print()


if __name__ == "__main__":
    asyncio.run(main())
