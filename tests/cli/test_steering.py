"""Runs are answered, forked and stopped from the command line, in a store and on a server."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import STORE
from tests.server.served import BREAKS, serving


@pytest.fixture(scope="module")
def served():
    with serving() as served:
        yield served


def last(cli, run, *where):
    return cli("runs", "show", run, "--json", *where).json()[0]


def test_a_run_of_a_store_is_answered_and_then_waits_for_a_worker(cli, parked):
    run = parked("asking")
    said = cli("runs", "show", run)
    assert "decide:1?1  publish?" in said.out
    assert f"answer with: riverrun runs resume {run} --answer 'decide:1?1=…'\n" in said.out
    done = cli("runs", "resume", run, "--answer", "yes")
    worker = "riverrun serve module:graph --store sqlite:///riverrun.db"
    assert (0, f"run {run} goes on as soon as a worker takes it: {worker}\n", "") == done
    assert "queued" == last(cli, run)["status"]


def test_a_run_of_a_server_is_answered_and_goes_on(cli, served):
    run = served.parked("both")["run"]
    where = ("--url", served.url)
    refused = cli("runs", "resume", run, "-a", "uno", *where)
    assert (1, "error E2015") == (refused.status, refused.err[:11])
    assert "--answer 'one:1?1=…' (one?)" in refused.err
    done = cli("runs", "resume", run, "-a", "one:1?1=uno", "--answer", "two:1?1=7", *where)
    assert (0, f"run {run} goes on\n", "") == done
    cli("runs", "tail", run, *where)
    assert {"text": "uno", "count": 7} == served.http.get(f"/v1/runs/{run}/state").json()["state"]
    assert cli("runs", "resume", run, "-a", "x", *where).err.startswith("error E2015: ")


def test_what_is_only_held_is_let_go_without_an_answer(cli, served, parked):
    held = served.parked("hold", count=1)["run"]
    assert 0 == cli("runs", "resume", held, "--url", served.url).status
    assert "run completed" in cli("runs", "tail", held, "--url", served.url).out
    assert 0 == cli("runs", "resume", parked("held")).status


@pytest.mark.parametrize("answer", [["--answer", "decide:2?1=x"], []])
def test_an_answer_to_no_question_leaves_the_run_parked(cli, parked, answer):
    run = parked()
    said = cli("runs", "resume", run, *answer, "--json")
    assert (1, "E2015") == (said.status, json.loads(said.err)["code"])
    assert "parked" == last(cli, run)["status"]


def test_a_run_that_has_ended_takes_no_answer(cli, folder):
    cli("run", "planted:graph", "--store", STORE)
    run = cli("runs", "list", "--json").json()[0]["run"]
    assert cli("runs", "resume", run).err.startswith("error E2009: ")


def test_a_fork_of_a_store_needs_its_graph(cli, folder):
    cli("run", "planted:bad", "--store", STORE)
    run = cli("runs", "list", "--json").json()[0]["run"]
    refused = cli("runs", "fork", run)
    assert refused.err.startswith("error E6006: ")
    assert "--graph" in refused.err
    done = cli("runs", "fork", run, "--graph", "planted:bad", "--thread", "second", "--json")
    fork = done.json()[0]["run"]
    told = last(cli, fork)
    assert ("queued", "second", "unlucky") == (told["status"], told["thread"], told["graph"])
    assert fork != run
    assert "ended" == last(cli, run)["status"]
    beyond = cli("runs", "fork", run, "--graph", "planted:bad", "--at", "999")
    assert beyond.err.startswith("error E2016: ")


def test_a_fork_on_a_server_goes_on(cli, served):
    BREAKS.append(None)
    run = served.start("broken")
    served.whole(run)
    where = ("--url", served.url)
    fork = cli("runs", "fork", run, *where).out.split()[1]
    tailed = cli("runs", "tail", fork, *where).out
    assert f"run forked from {run} at event " in tailed
    assert "run completed in 1 step" in tailed
    assert cli("runs", "fork", run, "--graph", "x:y", *where).err.startswith("error E6001: ")


def test_a_server_has_graphs_of_its_own(cli, folder, served):
    run = served.start("words")
    served.whole(run)
    refused = cli("runs", "fork", run, "--graph", "planted:graph", "--url", served.url)
    assert refused.err.startswith("error E6006: ")


def test_a_stop_is_asked_for(cli, parked, served):
    run = parked()
    assert f"run {run} was asked to stop\n" == cli("runs", "stop", run, "--reason", "enough").out
    far = served.start("wait")
    assert far == cli("runs", "stop", far, "--url", served.url, "--json").json()[0]["run"]
    served.whole(far)
    assert f"run {far} has ended: stopped\n" == cli("runs", "stop", far, "--url", served.url).out
