"""Running one program on both engines and comparing what it tells, field by field."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from msgspec import Struct

from tests.differential.engines import names_of

Outcome = dict[str, Any]
Program = Callable[[Any], Any]

# Lists whose order is arrival: what is compared is what they hold, and how often.
UNORDERED = ("updates", "custom", "parts", "interrupts")


class Difference(Struct, frozen=True):
    """A difference that is intended.

    Attributes:
        reason: Why Riverrun does otherwise, as a user should read it.
        langgraph: The fields of the outcome that differ, as LangGraph gives them.
        riverrun: The same fields, as Riverrun gives them.
    """

    reason: str
    langgraph: Mapping[str, Any]
    riverrun: Mapping[str, Any]


def programs(modules: Iterable[ModuleType]) -> dict[str, Program]:
    """Give the programs of some files: their public functions that take `lg` and nothing else."""
    found: dict[str, Program] = {}
    for module in modules:
        for name, function in vars(module).items():
            own = inspect.isfunction(function) and function.__module__ == module.__name__
            if own and not name.startswith("_") and list(inspect.signature(function).parameters) == ["lg"]:
                assert name not in found, f"two programs are called {name}"
                found[name] = function
    return found


def outcome_of(engine: str, program: Program) -> Outcome:
    """Run a program on one engine."""
    told = program(names_of(engine))
    outcome: Outcome = asyncio.run(told) if inspect.iscoroutine(told) else told
    assert outcome, f"{program.__name__} tells nothing"
    return {name: ordered(name, value) for name, value in outcome.items()}


def ordered(name: str, value: Any) -> Any:
    """Put a list whose order means nothing in an order."""
    return sorted(value, key=repr) if name.rpartition(".")[2] in UNORDERED else value


def complaints(langgraph: Outcome, riverrun: Outcome, intended: Difference | None = None) -> list[str]:
    """Name the fields in which two outcomes differ where they should not, or do not where they should."""
    expected = (dict(intended.langgraph), dict(intended.riverrun)) if intended else ({}, {})
    found = []
    for name in sorted({*langgraph, *riverrun, *expected[0], *expected[1]}):
        there, here = langgraph.get(name), riverrun.get(name)
        if name not in expected[0]:
            if there != here:
                found.append(f"{name}: LangGraph gives {there!r}, Riverrun gives {here!r}")
            continue
        for engine, given, wanted in (("LangGraph", there, expected[0]), ("Riverrun", here, expected[1])):
            if given != ordered(name, wanted[name]):
                found.append(f"{name}: {engine} gives {given!r}; the table of differences says {wanted[name]!r}")
    return found
