"""A run leaves a store as lines and enters another one as it was."""

from __future__ import annotations

import io
import json
import sys
from types import SimpleNamespace

import pytest

from tests.cli.conftest import STORE
from tests.server.served import serving

OTHER = "sqlite:///other.db"


def made(cli, *, graph="graph"):
    cli("run", f"planted:{graph}", "--store", STORE, "--input", '{"text": "so it goes"}')
    return cli("runs", "list", "--json").json()[0]["run"]


def test_a_run_is_the_same_in_the_other_store(cli, folder):
    run = made(cli)
    said = cli("runs", "export", run[:14], "--output", "run.jsonl")
    head, *events = (folder / "run.jsonl").read_text().splitlines()
    assert (0, f"{len(events)} events written to run.jsonl\n") == said[:2]
    assert (run, len(events), True) == tuple(json.loads(head)[name] for name in ("run", "head", "ended"))
    taken = cli("runs", "import", "run.jsonl", "--store", OTHER)
    assert (0, f"run {run} taken in: {len(events)} events, completed\n", "") == taken
    again = cli("runs", "import", "run.jsonl", "--store", OTHER)
    assert (0, f"run {run} was there already: {len(events)} events, completed\n") == again[:2]
    assert cli("runs", "tail", run, "--json").out == cli("runs", "tail", run, "--json", "--store", OTHER).out
    assert events == cli("runs", "tail", run, "--json", "--store", OTHER).out.splitlines()


def test_a_run_is_taken_in_under_an_id_of_its_own(cli, folder):
    run = made(cli)
    cli("runs", "export", run, "-o", "run.jsonl")
    told = cli("runs", "import", "run.jsonl", "--new-id", "--json").json()[0]
    assert run != told["run"]
    assert told["fresh"]
    assert {run, told["run"]} == {row["run"] for row in cli("runs", "list", "--json").json()}


def test_a_run_that_waits_waits_in_the_other_store_too(cli, parked, folder):
    run = parked()
    cli("runs", "export", run, "-o", "run.jsonl")
    assert "parked" == cli("runs", "import", "run.jsonl", "--store", OTHER, "--json").json()[0]["status"]
    assert "decide:1?1  publish?" in cli("runs", "show", run, "--store", OTHER).out
    assert 0 == cli("runs", "resume", run, "--answer", "no", "--store", OTHER).status


def test_a_longer_log_does_not_replace_the_one_that_is_there(cli, parked, folder):
    run = parked()
    cli("runs", "export", run, "-o", "short.jsonl")
    cli("runs", "import", "short.jsonl", "--store", OTHER)
    lines = (folder / "short.jsonl").read_bytes().splitlines()
    head, stop = json.loads(lines[0]), json.loads(lines[-1])
    end = {"type": "run.stopped", "seq": stop["seq"] + 1, "ts": stop["ts"], "run": run}
    told = {**head, "head": head["head"] + 1, "ended": True}
    written = [json.dumps(each, separators=(",", ":")).encode() for each in (told, end)]
    (folder / "long.jsonl").write_bytes(b"\n".join([written[0], *lines[1:], written[1]]))
    refused = cli("runs", "import", "long.jsonl", "--store", OTHER)
    assert (1, "error E2013") == (refused.status, refused.err[:11])


def test_a_run_of_a_server_is_written_to_standard_output(capfdbinary, folder):
    from riverrun.cli.main import invoke  # noqa: PLC0415

    with serving() as served:
        run = served.start("words", count=3)
        whole = served.whole(run)
        assert 0 == invoke(["runs", "export", run, "--url", served.url])
    out = capfdbinary.readouterr().out.splitlines()
    assert [line[6:] for line in whole.split(b"\n") if line.startswith(b"data: ")] == out[1:]


def test_what_comes_in_by_standard_input_is_taken(cli, folder, monkeypatch):
    run = made(cli)
    cli("runs", "export", run, "-o", "run.jsonl")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO((folder / "run.jsonl").read_bytes())))
    assert run in cli("runs", "import", "-", "--store", OTHER).out


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "E4008"), (b"notes\n", "E4008"), (b"\xff\xfe", "E4008"), (None, "E6004")],
)
def test_what_is_no_log_is_not_taken_in(cli, folder, content, code):
    if content is not None:
        (folder / "run.jsonl").write_bytes(content)
    said = cli("runs", "import", "run.jsonl", "--store", OTHER)
    assert said.err.startswith(f"error {code}: ")
    assert not (folder / "other.db").exists()


def test_a_log_that_was_cut_is_not_taken_in(cli, folder):
    cli("runs", "export", made(cli), "-o", "run.jsonl")
    lines = (folder / "run.jsonl").read_bytes().splitlines()
    for part in (lines[:-1], lines[:1], lines[1:]):
        (folder / "cut.jsonl").write_bytes(b"\n".join(part))
        assert cli("runs", "import", "cut.jsonl", "--store", OTHER).err.startswith("error E4008: ")


def test_a_file_that_cannot_be_written_is_an_error_and_a_run_that_is_not_there_makes_none(cli, folder):
    run = made(cli)
    assert cli("runs", "export", run, "-o", "no/such/place").err.startswith("error E6004: ")
    assert cli("runs", "export", "f" * 32, "-o", "new.jsonl").err.startswith("error E2005: ")
    assert not (folder / "new.jsonl").exists()
