"""What a process holds, counted before and after many cycles of the same work: what grows with them is a leak."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from pathlib import Path
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import NamedTuple

_RUNNING = (AsyncGeneratorType, CoroutineType, GeneratorType, asyncio.Future)
_FILES = Path("/proc/self/fd")


class Held(NamedTuple):
    """What a process holds.

    Attributes:
        objects: That the collector knows.
        threads: Without the watchdog, which comes and goes.
        files: Open ones, sockets included; 0 where the system does not tell.
    """

    objects: int
    threads: int
    files: int


def held(*modules: str) -> Held:
    """Count what this process holds now.

    Args:
        *modules: Beginnings of names: only objects of classes from there are counted, and whatever is half done
            (coroutines, generators, futures); all objects without one.

    Returns:
        The counts.
    """
    gc.collect()
    known: list[object] = gc.get_objects()
    return Held(
        sum(1 for _ in _of(known, modules)) if modules else len(known),
        sum(not each.name.startswith("riverrun-watchdog") for each in threading.enumerate()),
        len(list(_FILES.iterdir())) if _FILES.exists() else 0,
    )


def _of(known: list[object], modules: tuple[str, ...]) -> Iterator[object]:
    for each in known:
        kind = type(each)
        if issubclass(kind, _RUNNING) or str(kind.__module__).startswith(modules):
            yield each
