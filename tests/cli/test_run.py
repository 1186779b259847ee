"""`riverrun run` shows a run, gives its state, and fails when the run does."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import pytest

from riverrun.base.errors import InputError
from riverrun.cli.run import read_input
from tests.server.served import serving

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


def test_what_a_run_asks_where_nobody_can_answer_is_told_with_what_to_do(cli, folder):
    said = cli("run", "questions:both", "--store", "sqlite:///kept.db")
    assert 1 == said.status
    lines = said.out.splitlines()
    assert "run waits for 2 answers" in lines
    assert "  one:1?1  one?" in lines
    assert "state: {}" == lines[-1]
    run = lines[0].split()[1]
    assert said.err.startswith("error E3022: the run waits for 2 answers\n")
    assert f"riverrun runs resume {run} --store sqlite:///kept.db --answer" in said.err
    assert "parked" == cli("runs", "list", "--store", "sqlite:///kept.db", "--json").json()[0]["status"]


def test_a_run_that_is_kept_nowhere_says_so(cli, folder):
    said = cli("run", "questions:asking", "--json")
    assert None is said.json()[-1]["ending"]
    told = json.loads(said.err)
    assert ("E3022", "the run waits for 1 answer") == (told["code"], told["message"])
    assert "--store" in told["mend"]


def test_on_a_server_a_run_that_asks_waits_there(cli):
    with serving() as served:
        said = cli("run", "ask", "--url", served.url)
        run = said.out.split()[1]
        assert f"riverrun runs resume {run} --url {served.url}" in said.err
        assert "parked" == served.http.get(f"/v1/runs/{run}").json()["status"]


def test_a_run_of_a_thread_goes_on_from_the_one_before(cli, folder):
    kept = ("--store", "sqlite:///kept.db", "--thread", "talk")
    cli("run", "planted:graph", "-i", GIVEN, *kept)
    said = cli("run", "planted:graph", "--json", *kept)
    assert {"text": "so it goes", "said": "so it goes "} == said.json()[-1]["state"]
    listed = cli("runs", "list", "--store", "sqlite:///kept.db", "--thread", "talk")
    assert ["thread", "talk", "talk"] == [line.split()[-1] for line in listed.out.splitlines()]
    assert "no runs\n" == cli("runs", "list", "--store", "sqlite:///kept.db", "--thread", "other").out


def played(folder, arguments, typed):
    """Run a command in a terminal of its own, type what is given once its words appear; give what it showed."""
    master, slave = os.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
    process = subprocess.Popen(
        [sys.executable, "-m", "riverrun.cli", *arguments],
        cwd=folder,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment,
        start_new_session=True,
    )
    os.close(slave)
    shown, left = "", list(typed)
    try:
        while True:
            try:
                shown += os.read(master, 65536).decode(errors="replace")
            except OSError:  # Linux says so when the last one has closed the terminal
                break
            while left and left[0][0] in shown:
                words, keys = left.pop(0)
                shown = shown.partition(words)[2]
                os.write(master, keys)
    finally:
        os.close(master)
        process.kill() if process.poll() is None and left else None
        status = process.wait(timeout=20)
    return status, shown, left


@pytest.mark.slow
def test_in_a_terminal_the_questions_are_asked_and_the_run_goes_on(folder):
    typed = [("publish?", b""), ("> ", b"yes\n"), ("as", b""), ("> ", b"news\n")]
    kept = ["--store", "sqlite:///kept.db"]
    status, shown, left = played(folder, ["run", "questions:asking", *kept], typed)
    assert (0, []) == (status, left), shown
    assert "completed" in shown
    assert "news" in shown


@pytest.mark.slow
def test_who_leaves_at_a_question_leaves_the_run_waiting(cli, folder):
    kept = ["--store", "sqlite:///kept.db"]
    status, shown, left = played(folder, ["run", "questions:asking", *kept], [("> ", b"\x04")])
    assert (1, []) == (status, left), shown
    assert "E3022" in shown
    assert "parked" == cli("runs", "list", "--json", *kept).json()[0]["status"]
