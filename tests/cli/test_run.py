"""`riverrun run` shows a run, gives its state, and fails when the run does."""

from __future__ import annotations

import io
import json
import sys

import pytest

from riverrun.base.errors import InputError
from riverrun.cli.run import read_input

GIVEN = '{"text": "so it goes"}'


def test_a_run_is_told_in_lines_and_ends_with_its_state(cli, folder):
    said = cli("run", "planted:graph", "--input", GIVEN)
    assert (0, "") == (said.status, said.err)
    lines = said.out.splitlines()
    assert lines[0].startswith("run ")
    assert [
        "speak: [started]",
        "speak: so it goes",
        "speak: [done]",
        "run completed in 1 step",
        'state: {"text":"so it goes","said":"so it goes "}',
    ] == lines[1:]


def test_json_is_the_log_and_then_the_state(cli, folder):
    said = cli("run", "planted:graph", "-i", GIVEN, "--json")
    *events, last = said.json()
    assert list(range(1, len(events) + 1)) == [event["seq"] for event in events]
    assert "run.completed" == events[-1]["type"]
    assert {"ending": "completed", "state": {"text": "so it goes", "said": "so it goes "}} == last


def test_a_run_that_fails_is_an_error_with_the_line_of_the_node(cli, folder):
    said = cli("run", "planted:bad")
    assert 1 == said.status
    assert "burst: [failed: node 'burst' raised ValueError: it burst]" in said.out
    assert said.err.startswith("error E3011: the run failed: E3001 ")
    assert f"{folder / 'planted.py'}:" in said.err
    failed = cli("run", "planted:bad", "--json")
    assert "failed" == failed.json()[-1]["ending"]
    assert "E3011" == json.loads(failed.err)["code"]


def test_a_run_that_does_not_end_in_time_is_an_error(cli, folder):
    (folder / "slow.py").write_text(
        "import asyncio\nfrom riverrun import START, StateGraph\n"
        "async def wait(state):\n    await asyncio.Event().wait()\n"
        "graph = StateGraph(dict).add_node(wait).add_edge(START, 'wait').compile()\n"
    )
    said = cli("run", "slow.py:graph", "--timeout", "0.05")
    assert 1 == said.status
    assert said.err.startswith("error E3011: the run ended as timed_out")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["planted:gone"], "E6002"),
        (["nowhere:graph"], "E6001"),
        (["planted"], "E6006"),  # it has two
        (["planted:graph", "--input", "{bad"], "E2001"),
        (["planted:graph", "--input", "[1]"], "E2002"),
        (["planted:graph", "--input", "@gone.json"], "E6004"),
        (["planted:graph", "--input", '{"gone": 1}'], "E2010"),
        (["planted:graph", "--store", "post:it"], "E4006"),
        (["graph", "--url", "nowhere"], "E6006"),
        (["graph", "--url", "http://127.0.0.1:9"], "E5001"),
    ],
)
def test_bad_input_is_an_error_with_a_code(cli, folder, arguments, code):
    said = cli("run", *arguments)
    assert 1 == said.status
    assert said.err.startswith(f"error {code}: ")
    assert "  mend:  " in said.err
    assert code == json.loads(cli("run", *arguments, "--json").err)["code"]


def test_a_run_is_drawn_in_a_terminal(cli, folder, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    said = cli("run", "planted:graph", "--input", '{"text": "so it goes"}')
    assert 0 == said.status
    assert "╭" in said.out
    assert "completed" in said.out


def test_input_comes_from_a_file_or_from_standard_input(folder, monkeypatch):
    (folder / "in.json").write_text(GIVEN)
    assert {"text": "so it goes"} == read_input("@in.json")
    monkeypatch.setattr(sys, "stdin", io.StringIO(GIVEN))
    assert {"text": "so it goes"} == read_input("-")
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    with pytest.raises(InputError, match="E2001"):
        read_input("-")
