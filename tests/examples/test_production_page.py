"""docs/production.md: its keys, its own users, its back-up and its settings are what it says."""

from __future__ import annotations

import re
import shlex
import sys

import httpx
import pytest

from riverrun.server.keys import StaticKeys
from riverrun.server.settings import ServerSettings
from tests.examples.pages import blocks, run, write_files
from tests.examples.test_start_page import free_port, serving
from tests.house.source import ROOT

PAGE = "docs/production.md"
TEXT = (ROOT / PAGE).read_text(encoding="utf-8")
GRAPH = """
from riverrun import END, START, StateGraph

async def count(state):
    for number in range(3):
        yield f"{number} "

graph = StateGraph(dict).add_node("count", count, key="text").add_edge(START, "count").add_edge("count", END).compile()
"""


@pytest.fixture
def folder(tmp_path):
    """Where the files of the page are, beside a graph."""
    write_files(PAGE, tmp_path)
    (tmp_path / "research.py").write_text(GRAPH)
    (keys,) = [block.text for block in blocks(PAGE, "text")]
    (tmp_path / "keys.txt").write_text(keys)
    return tmp_path


def test_every_setting_in_the_table_has_the_default_that_stands_there():
    rows = re.findall(r"^\| (`[A-Z_`, ]+`) \| ([^|]+) \|", TEXT, re.MULTILINE)
    assert rows
    told: dict[str, str] = {}
    for names, values in rows:
        each = [value.strip().strip("`").replace(",", "") for value in values.split(", ")]
        told |= dict(zip(re.findall(r"[A-Z_]+", names), each, strict=False))
    settings = ServerSettings.model_construct()
    words = {"KEYS", "ALLOWED_HOSTS", "ALLOWED_ORIGINS", "LOG_LEVEL"}
    assert {name: str(getattr(settings, name.lower())).removesuffix(".0") for name in told if name not in words} == {
        name: value for name, value in told.items() if name not in words
    }
    assert (None, (), ()) == (settings.keys, settings.allowed_hosts, settings.allowed_origins)


async def test_the_keys_of_the_page_can_be_taken(folder):
    keys = StaticKeys(f"@{folder / 'keys.txt'}")
    assert 3 == len(keys._entries)


@pytest.mark.slow
def test_who_is_known_by_the_program_itself_gets_their_own_runs(folder):
    port = free_port()
    with serving("uvicorn app:app", folder, port, "/openapi.json"):
        at = f"http://127.0.0.1:{port}/api/agents/v1/runs"
        assert 401 == httpx.get(at).status_code
        known = httpx.Client(cookies={"session": "a-session"})
        assert 201 == known.post(at, json={"graph": "research", "input": {}}).status_code
        assert 1 == len(known.get(at).json()["runs"])
        known.close()


@pytest.mark.slow
def test_a_store_that_was_backed_up_while_it_was_written_and_a_run_that_was_exported_are_whole(folder):
    done = run(["riverrun", "run", "research.py:graph", "--store", "sqlite:///runs.db"], folder)
    assert 0 == done.returncode, done.stderr
    backup = "import sqlite3; sqlite3.connect('runs.db').backup(sqlite3.connect('copy.db'))"  # what .backup calls
    assert 0 == run([sys.executable, "-c", backup], folder).returncode
    listed = run(["riverrun", "runs", "list", "--store", "sqlite:///copy.db"], folder).stdout.splitlines()
    (name,) = [line.split()[0] for line in listed[1:]]
    assert (
        0
        == run(
            ["riverrun", "runs", "export", name, "--store", "sqlite:///copy.db", "-o", "run.jsonl"], folder
        ).returncode
    )
    assert 0 == run(["riverrun", "runs", "import", "run.jsonl", "--store", "sqlite:///other.db"], folder).returncode
    shown = run(["riverrun", "runs", "show", name, "--store", "sqlite:///other.db"], folder).stdout
    assert "0 1 2" in shown


@pytest.mark.slow
def test_the_server_of_the_page_asks_for_its_keys_and_tells_its_metrics_to_who_may_see_them(folder):
    port = free_port()
    command = "env RIVERRUN_KEYS=@keys.txt riverrun serve research.py:graph --host 127.0.0.1 --store sqlite:///runs.db"
    with serving(command, folder, port, "/readyz"):
        at = f"http://127.0.0.1:{port}"
        assert 401 == httpx.get(f"{at}/v1/runs").status_code
        (line,) = [one for block in blocks(PAGE, "sh") for one in block.text.splitlines() if "/metrics" in one]
        name, _, value = shlex.split(line)[2].partition(": ")
        told = httpx.get(f"{at}/metrics", headers={name: value})
        assert 200 == told.status_code
        assert all(metric in told.text for metric in re.findall(r"`(riverrun_\w+)`", TEXT))
        assert 403 == httpx.get(f"{at}/metrics", headers={name: "Bearer dashboard-key"}).status_code
