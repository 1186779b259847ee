"""The two engines that every program is run on: the same names, filled from LangGraph and from Riverrun.

What a program is handed is a namespace, so that one text serves both. It does not know the programs, nor what is
compared.
"""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import Any

import riverrun

# Where LangGraph keeps each name; Riverrun has all of them at its top.
NAMES = {
    "langgraph.graph": ("END", "START", "StateGraph", "add_messages"),
    "langgraph.types": (
        "CachePolicy",
        "Command",
        "Overwrite",
        "RetryPolicy",
        "Send",
        "TimeoutPolicy",
        "interrupt",
    ),
    "langgraph.checkpoint.memory": ("InMemorySaver", "MemorySaver"),
    "langgraph.cache.memory": ("InMemoryCache",),
    "langgraph.config": ("get_config", "get_stream_writer"),
}
ENGINES = ("langgraph", "riverrun")


def names_of(engine: str) -> Any:
    """Give the names of one engine; one that it lacks is missed by the first program that uses it."""
    found = {
        name: getattr(import_module(place) if engine == "langgraph" else riverrun, name, None)
        for place, names in NAMES.items()
        for name in names
    }
    return SimpleNamespace(**{name: value for name, value in found.items() if value is not None})
