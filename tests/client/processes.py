"""Servers in processes of their own, on one file, that tests kill and replace; and what these take of the machine."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

PROGRAM = """
import asyncio, json, os, sys
from riverrun.face.state_graph import StateGraph
from riverrun.graph.node import END, START
from riverrun.server.app import create_app
from riverrun.server.serve import serve
from riverrun.server.settings import load
from tests.server.served import GRAPHS, State

async def words(name):
    for number in range(40):
        yield f"{name} {number} \\u4e16\\U0001f30a "
        await asyncio.sleep(0.01)

def node(name):
    async def say(state):
        return {"text": words(name)}
    return say

async def wordy(door):
    while not os.path.exists(door):
        yield "\u4e16\U0001f30a "
        await asyncio.sleep(0.2)

async def until(state):
    return {"text": wordy(state["likes"][0])}

def chain(last):
    graph = StateGraph(State)
    for name, say, before in (("a", node("a"), START), ("b", node("b"), "a"), ("c", last, "b")):
        graph.add_node(name, say).add_edge(before, name)
    return graph.add_edge("c", END).compile()

# `chain` says so many words; `until` goes on until the file is there that it is told of in `likes`.
graphs = {**GRAPHS, "chain": chain(node("c")), "until": chain(until)}
app = create_app(graphs, store=sys.argv[1], settings=load(**json.loads(sys.argv[2])))
serve(app, port=0, announce=lambda url: print(url, flush=True))
"""


@contextmanager
def process(store, **settings):
    """Run a server of its own; it is killed at the end. Gives it and its address."""
    told = json.dumps({"lease_seconds": 1, **settings})
    with subprocess.Popen([sys.executable, "-c", PROGRAM, store, told], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            yield server, server.stdout.readline().strip()
        finally:
            server.kill()


def memory_of(pid, *, most=False):
    """Resident bytes of a process; or the most that it ever had."""
    found = re.search(
        rf"{'VmHWM' if most else 'VmRSS'}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    )
    assert found
    return int(found[1]) * 1024


class Progress:
    """How many events all readers together have been given."""

    def __init__(self):
        self.events = 0
        self._news = asyncio.Event()

    def one_more(self):
        self.events += 1
        self._news.set()

    async def reach(self, events):
        """Wait until readers have that many."""
        while self.events < events:
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), 30)
