"""Two branches stream at once and a third node joins them; no key, no network: python first.py."""

import asyncio
from collections.abc import AsyncIterator

from riverrun import END, START, NodeChunk, StateGraph

State = dict[str, str]
Update = dict[str, AsyncIterator[str]]


async def speak(text: str) -> AsyncIterator[str]:
    """Stand in for a model that streams."""
    for word in text.split():
        await asyncio.sleep(0.1)
        yield word + " "


async def loud(state: State) -> Update:
    """Give a stream under a key: its chunks flow at once, the whole text is stored."""
    return {"loud": speak(state["text"].upper())}


async def backwards(state: State) -> Update:
    """Do the same, at the same time."""
    return {"backwards": speak(" ".join(reversed(state["text"].split())))}


async def both(state: State) -> Update:
    """Run once, when both branches are through."""
    return {"both": speak(f"{state['loud']}/ {state['backwards']}")}


builder = StateGraph(dict).add_node(loud).add_node(backwards).add_node(both)
builder.add_edge(START, "loud").add_edge(START, "backwards")
graph = builder.add_edge(["loud", "backwards"], "both").add_edge("both", END).compile()


async def main() -> None:
    """Print every chunk with its node, live."""
    async for event in graph.astream({"text": "a run is a log"}):
        if isinstance(event, NodeChunk):
            print(f"{event.node:>9} | {event.value}")


if __name__ == "__main__":
    asyncio.run(main())
