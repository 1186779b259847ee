"""A target leads to graphs, or to an error that names the line to mend."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import riverrun
from riverrun.base.errors import GraphError, InputError, LoadError
from riverrun.cli import target
from riverrun.cli.target import load, only


@pytest.mark.parametrize("place", ["planted", "planted.py", "./planted.py"])
def test_a_module_and_a_file_are_loaded_alike(folder, place):
    assert ["graph"] == list(load(f"{place}:graph"))
    assert ["graph", "unlucky"] == sorted(load(place))


def test_a_graph_is_served_under_its_own_name_else_that_of_its_variable(folder):
    assert ["unlucky"] == list(load("planted:bad"))


def test_one_graph_under_two_names_and_a_private_one_are_served_once(folder):
    (folder / "twice.py").write_text("from planted import graph\nalso = graph\n_mine = graph\n")
    assert ["graph"] == list(load("twice"))


def test_two_graphs_of_one_name_keep_the_names_of_their_variables(folder):
    (folder / "same.py").write_text(
        "from planted import draft\na = draft.compile(name='x')\nb = draft.compile(name='x')\n"
    )
    assert ["b", "x"] == sorted(load("same"))


def test_a_file_in_a_package_is_imported_as_part_of_it(folder):
    package = folder / "deep" / "er"
    package.mkdir(parents=True)
    (folder / "deep" / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "graphs.py").write_text("from deep.er.parts import graph\n")
    (package / "parts.py").write_text("from planted import graph\n")
    assert ["graph"] == list(load("deep/er/graphs.py:graph"))
    assert "deep.er.graphs" in sys.modules


def test_examples_inside_the_package_are_a_package_of_their_own(folder, monkeypatch):
    monkeypatch.setattr(target, "_PACKAGE", folder / "site" / "riverrun")
    shipped = folder / "site" / "riverrun" / "examples_planted"
    shipped.mkdir(parents=True)
    for place in (shipped.parent, shipped):
        (place / "__init__.py").write_text("")
    (shipped / "graphs.py").write_text("from planted import graph\n")
    sys.path.insert(0, str(folder))
    assert ["graph"] == list(load(f"{shipped}/graphs.py:graph"))
    assert str(shipped.parent) == sys.path[-1]


@pytest.mark.parametrize(
    ("name", "what", "mend"),
    [
        ("planted:gone", "planted has no 'gone'", "There is: bad, graph."),
        ("planted:other", "'other' is a int and not a compiled graph", "There is: bad, graph."),
        ("planted:draft", "'draft' is not compiled yet", "Name what draft.compile() gave."),
        (":graph", "':graph' names no module", "Write module:graph or path/file.py:graph."),
    ],
)
def test_what_is_no_graph_is_refused_with_what_is_there(folder, name, what, mend):
    with pytest.raises(LoadError) as raised:
        load(name)
    assert ("E6002", what, mend) == (raised.value.code, raised.value.message, raised.value.mend)


def test_a_module_without_graphs_is_refused(folder):
    (folder / "empty.py").write_text("x = 1\n")
    (folder / "drafts.py").write_text("from planted import draft as mine\n")
    with pytest.raises(LoadError, match="E6002 empty has no compiled graph"):
        load("empty")
    with pytest.raises(LoadError, match="There is mine, not compiled"):
        load("drafts")


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("x = 1\ny = 1 / 0\n", 2, "ZeroDivisionError: division by zero"),
        ("def (\n", 1, "SyntaxError"),
        ("import nowhere_to_be_found\n", 1, "No module named 'nowhere_to_be_found'"),
        ("import sys\nsys.exit(3)\n", 2, "SystemExit: 3"),
        ("import json\n\njson.loads('{')\n", 0, "JSONDecodeError"),
    ],
)
def test_a_module_that_breaks_names_its_line(folder, text, line, what):
    (folder / "broken.py").write_text(text)
    with pytest.raises(LoadError) as raised:
        load("broken.py")
    error = raised.value
    assert "E6001" == error.code
    assert what in error.message
    if line:
        assert f"{folder / 'broken.py'}:{line}" == error.where


def test_a_module_that_is_not_there_is_told_apart_from_one_that_breaks(folder):
    with pytest.raises(LoadError, match="E6001 there is no module 'nowhere'"):
        load("nowhere.at.all:graph")
    with pytest.raises(InputError, match="E6004 there is no file"):
        load("nowhere.py:graph")


def test_a_graph_that_does_not_compile_keeps_its_own_error(folder):
    (folder / "crooked.py").write_text(
        "from riverrun import StateGraph\ngraph = StateGraph(dict).add_node('a', lambda s: s).compile()\n"
    )
    with pytest.raises(GraphError, match="E1004") as raised:
        load("crooked.py")
    assert f"{folder / 'crooked.py'}:2" == raised.value.where


def test_what_a_module_prints_does_not_reach_standard_output(folder, capsys):
    (folder / "loud.py").write_text("print('hello')\nfrom planted import graph\n")
    load("loud.py:graph")
    assert ("", "hello\n") == capsys.readouterr()


def test_the_package_is_where_the_loader_thinks():
    assert Path(riverrun.__file__).parent == target._PACKAGE


def test_where_one_graph_is_meant_several_are_an_error(folder):
    name, graph = only("planted:graph")
    assert ("graph", graph) == (name, load("planted:graph")["graph"])
    with pytest.raises(InputError, match="E6006"):
        only("planted")


async def test_an_agent_of_a_library_is_loaded_as_the_graph_that_it_becomes(folder):
    text = "from pydantic_ai import Agent\nfrom pydantic_ai.models.test import TestModel\n"
    (folder / "agents_here.py").write_text(f"{text}helper = 3\nteller = Agent(TestModel(), name='told')\n")
    for place in ("agents_here:teller", "agents_here"):
        assert ["told"] == list(load(place))
    name, graph = only("agents_here:teller")
    assert "told" == name
    assert (await graph.ainvoke({"input": "hello"}))["output"]


def test_agents_beside_graphs_are_parts_of_those_unless_they_are_named(folder):
    text = "from pydantic_ai import Agent\nfrom planted import graph\nteller = Agent(name='told')\n"
    (folder / "both_here.py").write_text(text)
    assert ["graph"] == list(load("both_here"))
    assert ["told"] == list(load("both_here:teller"))


async def test_a_function_is_loaded_when_it_is_named_and_only_then(folder):
    (folder / "plain_here.py").write_text("async def hello(state):\n    yield f'hello {state[\"input\"]}'\n")
    assert "hello Ada" == (await load("plain_here:hello")["hello"].ainvoke({"input": "Ada"}))["output"]
    with pytest.raises(LoadError, match="E6002"):
        load("plain_here")


def test_an_agent_that_is_not_ready_is_refused_by_name_and_skipped_without_one(folder):
    text = (
        "from langgraph.graph import StateGraph\ndraft = StateGraph(dict).add_node('a', print).set_entry_point('a')\n"
    )
    (folder / "drafted.py").write_text(f"{text}made = draft.compile(name='drawn')\n")
    assert ["drawn"] == list(load("drafted"))
    with pytest.raises(GraphError, match="E1019"):
        load("drafted:draft")


def test_what_a_library_raised_while_a_module_was_imported_is_placed_in_the_module(folder):
    (folder / "reads.py").write_text("import json\n\nvalue = json.loads('{')\n")
    with pytest.raises(LoadError) as caught:
        load("reads.py")
    assert ("E6001", f"{folder / 'reads.py'}:3") == (caught.value.code, caught.value.where)
