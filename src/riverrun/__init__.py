"""Run agent graphs and stream them to any number of readers: a run is a log.

Declare a graph with `StateGraph`, `compile()` it, and read its events as they happen:

    async for event in graph.astream({"text": text}): ...

`riverrun.server.create_app` serves graphs over HTTP with a durable log; `riverrun.client.Client` reads them from far
away. `import riverrun` loads the standard library and msgspec, no server.
"""

from riverrun.base.errors import RiverrunError
from riverrun.events.ending import Ending
from riverrun.events.kinds import Event, NodeChunk, Send
from riverrun.face.compiled import CompiledGraph
from riverrun.face.interrupt import Interrupt
from riverrun.face.run import Run
from riverrun.face.saver import InMemorySaver, MemorySaver
from riverrun.face.snapshot import StateSnapshot
from riverrun.face.state_graph import StateGraph
from riverrun.graph.node import END, START, Command
from riverrun.graph.policies import CachePolicy, RetryPolicy, TimeoutPolicy, collect, first_success, quorum
from riverrun.graph.reducers import MessagesState, Overwrite, Remove, add_messages
from riverrun.log.view import View
from riverrun.runs.cache import InMemoryCache
from riverrun.runs.context import Context, get_config, get_stream_writer, interrupt

__all__ = [
    "END",
    "START",
    "CachePolicy",
    "Command",
    "CompiledGraph",
    "Context",
    "Ending",
    "Event",
    "InMemoryCache",
    "InMemorySaver",
    "Interrupt",
    "MemorySaver",
    "MessagesState",
    "NodeChunk",
    "Overwrite",
    "Remove",
    "RetryPolicy",
    "RiverrunError",
    "Run",
    "Send",
    "StateGraph",
    "StateSnapshot",
    "TimeoutPolicy",
    "View",
    "add_messages",
    "collect",
    "first_success",
    "get_config",
    "get_stream_writer",
    "interrupt",
    "quorum",
]
