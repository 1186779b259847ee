"""`riverrun runs` against a store that `riverrun run` wrote."""

from __future__ import annotations

import json

import pytest

STORE = "sqlite:///runs.db"


@pytest.fixture
def run(cli, folder):
    """A run of one node that has completed, in `runs.db`."""
    said = cli("run", "planted:graph", "--input", '{"text": "so it goes"}', "--store", STORE, "--json")
    assert 0 == said.status
    return said.json()[0]["run"]


@pytest.fixture
def failed(cli, folder):
    """A run that has failed, in the same store."""
    said = cli("run", "planted:bad", "--store", STORE, "--json")
    return said.json()[0]["run"]


def test_list(cli, run, failed):
    said = cli("runs", "list", "--store", STORE)
    heads, *rows = said.out.splitlines()
    assert ["run", "graph", "status", "events", "started", "took"] == heads.split()
    assert [[failed, "unlucky", "failed"], [run, "graph", "completed"]] == [row.split()[:3] for row in rows]
    assert [failed] == [each["run"] for each in cli("runs", "list", "--store", STORE, "--json", "--limit", "1").json()]
    assert "no runs\n" == cli("runs", "list", "--store", STORE, "--graph", "gone").out


def test_show(cli, run, failed):
    said = cli("runs", "show", run, "--store", STORE).out
    assert "speak:1  completed  11          so it goes" in said
    said = cli("runs", "show", failed, "--store", STORE).out
    assert "E3001 " in said
    shown = json.loads(cli("runs", "show", run, "--store", STORE, "--json").out)
    assert ("completed", {"speak:1": "completed"}) == (shown["ending"], shown["steps"])
    assert "so it goes " == shown["messages"][0]["text"]


def test_tail(cli, run):
    said = cli("runs", "tail", run, "--store", STORE)
    assert said.out.splitlines()[-3:] == ["speak: so it goes", "speak: [done]", "run completed in 1 step"]
    events = cli("runs", "tail", run, "--store", STORE, "--json", "--after", "2").json()
    assert 3 == events[0]["seq"]
    assert "run.completed" == events[-1]["type"]


def test_stop_of_a_run_that_has_ended(cli, run):
    assert f"run {run} has ended: completed\n" == cli("runs", "stop", run, "--store", STORE).out
    assert "completed" == cli("runs", "stop", run, "--store", STORE, "--json").json()[0]["ending"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["show", "f" * 32], "E2005"),
        (["tail", "f" * 32], "E2005"),
        (["stop", "f" * 32], "E2005"),
        (["stop", "nonsense"], "E2005"),
    ],
)
def test_an_unknown_run_is_an_error_with_a_code(cli, run, arguments, code):
    said = cli("runs", *arguments, "--store", STORE)
    assert 1 == said.status
    assert said.err.startswith(f"error {code}: ")
    assert code == json.loads(cli("runs", *arguments, "--store", STORE, "--json").err)["code"]


@pytest.mark.parametrize(("after", "code"), [("99", "E2006"), ("nonsense", "E2007"), ("00000000.1", "E2008")])
def test_a_bad_place_is_an_error_with_a_code(cli, run, after, code):
    said = cli("runs", "tail", run, "--store", STORE, "--after", after)
    assert said.err.startswith(f"error {code}: ")


def test_a_store_that_is_not_there_is_an_error(cli, folder):
    for command in (["list"], ["show", "0"], ["tail", "0"], ["stop", "0"]):
        said = cli("runs", *command)
        assert 1 == said.status
        assert said.err.startswith("error E4001: there is no store riverrun.db\n")
    assert not (folder / "riverrun.db").exists()


def test_a_file_that_is_no_store_is_an_error(cli, folder):
    (folder / "notes.db").write_text("this is no database, whatever its name says\n" * 100)
    assert cli("runs", "list", "--store", "sqlite:///notes.db").err.startswith("error E4003: ")


def test_a_status_that_there_is_not_is_a_usage_error(cli, folder):
    assert 2 == cli("runs", "list", "--status", "tired").status


def test_a_server_that_is_not_there_is_an_error(cli, folder, monkeypatch):
    monkeypatch.setenv("RIVERRUN_URL", "http://127.0.0.1:9")
    assert cli("runs", "list").err.startswith("error E5001: ")


def test_people_see_how_a_run_is_at_once(cli, run, failed, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    shown = cli("runs", "list", "--store", STORE).out
    assert "✗ failed" in shown
    assert "✓ completed" in shown


def test_a_parked_run_is_listed_and_shown_with_what_it_asks(cli, parked):
    run = parked("both")
    (row,) = cli("runs", "list", "--status", "parked").out.splitlines()[1:]
    assert [run, "both", "parked"] == row.split()[:3]
    shown = cli("runs", "show", run).out
    assert "one:1?1" in shown
    assert "how many?" in shown
    told = json.loads(cli("runs", "show", run, "--json").out)
    assert {"one:1?1", "count:1?1"} == {question["id"] for question in told["questions"]}
