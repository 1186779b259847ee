"""The exit status says how it ended, and nothing ends with a stack trace."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys

import pytest

from riverrun.cli import main as command
from riverrun.cli.explain import explain

RUNS = ("list", "show", "tail", "stop", "resume", "fork", "replay", "export", "import")


def test_the_version_is_shown(cli):
    said = cli("--version")
    assert 0 == said.status
    assert said.out.startswith("riverrun ")


def test_no_command_shows_the_help(cli):
    said = cli()
    assert 2 == said.status
    for name in ("demo", "dev", "serve", "run", "runs", "explain"):
        assert name in said.out


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["frob"], "No such command 'frob'"),
        (["explain", "--loud"], "No such option: --loud"),
        (["run"], "Missing argument"),
        (["demo", "--pace", "x"], "--pace"),
    ],
)
def test_a_command_line_that_cannot_be_taken_ends_with_2(cli, arguments, what):
    said = cli(*arguments)
    assert 2 == said.status
    assert said.err.startswith("error E6006: ")
    assert what in said.err
    assert "E6006" == json.loads(cli(*arguments, "--json").err)["code"]


def test_a_defect_is_told_without_a_trace(cli, monkeypatch):
    def broken(_):
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(command, "get_command", broken)
    said = cli("explain")
    assert 1 == said.status
    assert said.err.startswith("error E6007: ZeroDivisionError: a defect\n")


def test_whoever_works_on_riverrun_can_see_the_trace(monkeypatch):
    def broken(_):
        raise ZeroDivisionError

    monkeypatch.setattr(command, "get_command", broken)
    monkeypatch.setenv("RIVERRUN_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        command.invoke(["explain"])


def test_ctrl_c_ends_with_130(cli, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "get_command", interrupted)
    assert (130, "", "") == cli("explain")


@pytest.mark.parametrize("module", ["riverrun", "riverrun.cli"])
def test_it_can_be_run_as_a_module(module, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["riverrun", "explain", "E1001"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(module, run_name="__main__")
    assert 0 == ended.value.code
    assert capsys.readouterr().out.startswith("E1001 ")
    assert callable(explain)


@pytest.mark.slow
def test_a_real_ctrl_c_ends_a_run_cleanly(tmp_path):
    (tmp_path / "endless.py").write_text(
        "import asyncio\nfrom riverrun import START, StateGraph\n"
        "async def wait(state):\n    await asyncio.Event().wait()\n"
        "graph = StateGraph(dict).add_node(wait).add_edge(START, 'wait').compile()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "riverrun.cli", "run", "endless.py:graph"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    assert "started" in process.stdout.readline()
    assert "wait: [started]\n" == process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert (130, "") == (process.returncode, said)


@pytest.mark.parametrize("name", ["demo", "dev", "serve", "run", "explain", *(f"runs {each}" for each in RUNS)])
def test_help_is_for_who_types_and_not_for_who_reads_the_source(name, cli):
    said = cli(*name.split(), "--help")
    assert 0 == said.status
    assert not {"Raises:", "Args:", "Returns:"} & set(said.out.split())
