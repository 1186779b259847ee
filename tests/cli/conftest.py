"""What the tests of the command line share: a folder with graphs in it, and a way to call a command in process."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from riverrun.cli.main import invoke

GRAPHS = """
from typing import TypedDict

from riverrun import END, START, StateGraph


class State(TypedDict, total=False):
    text: str
    said: str


async def speak(state):
    async def words():
        for word in state.get("text", "").split():
            yield word + " "

    return {"said": words()}


def burst(state):
    raise ValueError("it burst")


draft = StateGraph(State).add_node(speak).add_edge(START, "speak").add_edge("speak", END)
graph = draft.compile()
bad = StateGraph(State).add_node(burst).add_edge(START, "burst").compile(name="unlucky")
other = 7
"""

ASKING = """
from riverrun import START, StateGraph, interrupt

from planted import State, speak

async def decide(state):
    return {"said": interrupt("publish?"), "text": interrupt({"as": "what"})}


async def count(state):
    return {"text": str(interrupt("how many?", type=int))}


asking = StateGraph(State).add_node(decide).add_edge(START, "decide").compile(name="asking")
both = (
    StateGraph(State)
    .add_node("one", lambda state: {"said": interrupt("one?")})
    .add_node(count)
    .add_edge(START, "one")
    .add_edge(START, "count")
    .compile(name="both")
)
held = StateGraph(State).add_node(speak).add_edge(START, "speak").compile(name="held", interrupt_before=["speak"])
"""


STORE = "sqlite:///riverrun.db"


class Said(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str

    def json(self) -> list[Any]:
        """Its standard output, a line at a time."""
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def cli(capsys, monkeypatch):
    """Call a command in this process."""
    monkeypatch.delenv("RIVERRUN_TRACEBACK", raising=False)

    def call(*arguments: str | Path) -> Said:
        capsys.readouterr()
        status = invoke([str(argument) for argument in arguments])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Said(status, said.out, said.err)

    return call


@pytest.fixture
def parked(cli, folder):
    """Run a graph of `questions.py` until it asks, in the default store, and give the id of the run."""

    def park(graph: str = "asking") -> str:
        said = cli("run", f"questions:{graph}", "--store", STORE, "--json", "--input", '{"text": "so it goes"}')
        assert "E3022" == json.loads(said.err)["code"]
        return str(said.json()[0]["run"])

    return park


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A current directory with `planted.py` and `questions.py` in it; what is imported from there is forgotten."""
    (tmp_path / "planted.py").write_text(GRAPHS)
    (tmp_path / "questions.py").write_text(ASKING)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(tmp_path)):
            del sys.modules[name]
