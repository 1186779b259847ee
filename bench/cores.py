"""Servers on one core, load on another, where the system allows it: so neither slows the other down unseen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

# Noted before anything is bound: a process that is bound no longer sees the other cores.
_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def pin_load() -> None:
    """Bind this process, and the threads that it makes from now on, to the last core that it may use."""
    _pin(-1)


@contextmanager
def on_server_core() -> Iterator[None]:
    """Let what is started inside run on the first core."""
    bound = os.sched_getaffinity(0) if _CORES else set()
    _pin(0)
    try:
        yield
    finally:
        if bound:
            os.sched_setaffinity(0, bound)


def _pin(place: int) -> None:
    if _CORES:
        os.sched_setaffinity(0, {_CORES[place]})
