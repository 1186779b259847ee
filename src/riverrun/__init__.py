"""Run agent graphs and stream them to any number of readers: a run is a log.

Declare a graph with `StateGraph`, `compile()` it, and read its events as they happen:

    async for event in graph.astream({"text": text}): ...

`riverrun.server.create_app` serves graphs over HTTP with a durable log; `riverrun.client.Client` reads them from far
away. `import riverrun` loads the standard library and msgspec, no server.
"""

from riverrun.base.errors import RiverrunError
from riverrun.events.ending import Ending
from riverrun.events.kinds import Event, NodeChunk
from riverrun.face.compiled import CompiledGraph, StateGraph
from riverrun.face.run import Run
from riverrun.graph.node import END, START, Command
from riverrun.graph.reducers import Overwrite, Remove, add_messages
from riverrun.log.view import View
from riverrun.runs.context import Context

__all__ = [
    "END",
    "START",
    "Command",
    "CompiledGraph",
    "Context",
    "Ending",
    "Event",
    "NodeChunk",
    "Overwrite",
    "Remove",
    "RiverrunError",
    "Run",
    "StateGraph",
    "View",
    "add_messages",
]
