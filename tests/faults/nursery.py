"""A process that has everything loaded and makes workers by forking, each of which it kills: some 20 ms for each.

`python -m tests.faults.nursery <store> <folder>`. For each line `<point> <seconds>` on standard input a worker begins
on the store; it dies at the point (`-`: at none), or after the seconds. Then a line says which of the two it was. What
a worker asked the store and was told is written to a file in the folder before it goes on, so it survives the kill.
"""

from __future__ import annotations

import asyncio
import operator
import os
import signal
import sys
import time
from pathlib import Path
from threading import Lock
from typing import Annotated, TypedDict

from riverrun.graph.build import GraphBuilder
from riverrun.graph.node import END, START
from riverrun.runs import points
from riverrun.runs.service import RunService
from riverrun.runs.settings import RunSettings
from riverrun.stores.sqlite import SqliteStore
from riverrun.testing.history import Entry, History, RecordingStore, to_lines

GRAPH = "words"
WORDS = 6
ROUNDS = 3
SETTINGS = RunSettings(
    lease_seconds=0.4, poll_interval=0.02, checkpoint_events=12, checkpoint_interval=0.01, max_running=6, pool_size=1
)
_CALLS_OF_ONE = 10_000_000  # calls are numbered apart, whoever makes them


class State(TypedDict, total=False):
    """Which nodes ran, and what they said."""

    log: Annotated[list[str], operator.add]
    said: Annotated[str, operator.add]


def node(name):
    """A node that says some words."""

    async def speak(state):
        for number in range(WORDS):
            await asyncio.sleep(0.001)
            yield f"{name}{number} "
        yield {"log": [name]}

    return speak


def plan():
    """A node, two side by side, and a loop."""

    def again(state):
        return "d" if state["log"].count("d") < ROUNDS else END

    graph = GraphBuilder(State)
    for name in "abcd":
        graph.add_node(name, node(name), key="said")
    for source, target in ((START, "a"), ("a", "b"), ("a", "c")):
        graph.add_edge(source, target)
    graph.add_edge(["b", "c"], "d").add_conditional_edges("d", again, ["d", END])
    return graph.plan(GRAPH)


def final_state():
    """What every run comes to."""
    order = [*"abc", *"d" * ROUNDS]
    said = "".join(f"{name}{number} " for name in order for number in range(WORDS))
    return {"log": order, "said": said}


class _File(list[Entry]):
    """Entries that are in a file before whoever wrote them goes on."""

    def __init__(self, path):
        super().__init__()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def append(self, entry):
        os.write(self._file, to_lines([entry]))


class FileHistory(History):
    """The history of one process, in a file; its loop and its lease thread write to it.

    Args:
        path: The file.
        number: Of the process; no other has it.
    """

    def __init__(self, path, number):
        super().__init__(time.monotonic)
        self.entries = _File(path)
        self._calls = number * _CALLS_OF_ONE
        self._lock = Lock()

    def ask(self, by, verb, **fields):
        with self._lock:
            return super().ask(by, verb, **fields)


async def work(store, folder):
    """Be a worker until the end."""
    history = FileHistory(Path(folder, f"{os.getpid()}.jsonl"), os.getpid())
    name = f"w{os.getpid()}"
    service = RunService(RecordingStore(SqliteStore(store), history, name), {GRAPH: plan()}, settings=SETTINGS)
    await service.open()
    await asyncio.Event().wait()


def begin(store, folder, point):
    """Make a worker that may die at a point; give its process id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        armed = points.arm("" if point == "-" else point)
        for module in list(sys.modules.values()):  # each that has points has a name of its own for it
            if module.__name__.startswith("riverrun.runs.") and hasattr(module, "reach"):
                module.reach = armed  # type: ignore[attr-defined]
        asyncio.run(work(store, folder))
    finally:
        os._exit(1)


def end(pid, seconds):
    """Wait until a worker has died at its point, or kill it; say which of the two."""
    signal.sigtimedwait({signal.SIGCHLD}, seconds)
    died, status = os.waitpid(pid, os.WNOHANG)
    if died:
        return "point" if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL else f"failed {status}"
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    signal.sigtimedwait({signal.SIGCHLD}, 0)  # that of this one
    return "instant"


def main(store, folder):
    """Make workers and kill them, one after another."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    for line in sys.stdin:
        point, seconds = line.split()
        sys.stdout.write(f"{end(begin(store, folder, point), float(seconds))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
