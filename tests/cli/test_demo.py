"""The demo from end to end, as a user starts it: real processes, one real cut, one real SIGKILL, an honest table."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys

import pytest

from riverrun.cli.performance import GRAPH
from tests.models.dialects import Chat
from tests.models.provider import Reply, providing

TEXTS = {
    "cats.md": "# Cats\n\nCats sleep for most of the day. Why do they sleep so long? Cats like milk and warm places.\n",
    "dogs.txt": "Dogs bark at cats. Dogs sleep less than cats do. It is an open question who is happier.\n",
}


@pytest.fixture
def texts(tmp_path):
    """Two small files in an empty directory, and a place for temporary files that can be looked at."""
    for name, text in TEXTS.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "tmp").mkdir()
    return tmp_path


def start(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "riverrun.cli", "demo", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder / "tmp"), "PYTHONUNBUFFERED": "1"},
    )


def pid_in(line):
    return int(line.rpartition("pid ")[2])


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_the_demo_loses_nothing(texts):
    done = start(texts, "cats.md", "dogs.txt", "--pace", "0.02", "--json", "--capture", "images")
    out, err = done.communicate(timeout=55)
    assert (0, "") == (done.returncode, err)
    table = json.loads(out)
    assert table["ok"]
    assert "completed" == table["ending"]
    assert (0, 0, 0, 0) == (table["lost"], table["repeated"], table["reordered"], table["foreign"])
    assert (1, 1, 1) == (table["cuts"], table["kills"], table["takeovers"])
    assert table["reconnects"] >= 2
    assert table["voided_utf16"] > 0
    assert table["chunks"] < table["events"]
    report = (texts / "out" / "report.md").read_text()
    assert report.startswith("# Review of 2 documents")
    assert "cats.md" in report
    assert ["demo-table.svg", "demo.svg"] == sorted(path.name for path in (texts / "images").iterdir())
    assert [] == list((texts / "tmp").iterdir())


@pytest.mark.slow
def test_in_a_pipe_it_tells_in_lines_what_happens(texts):
    done = start(texts, "cats.md", "--pace", "0.03", "--out", "r.md")
    out, err = done.communicate(timeout=55)
    assert (0, "") == (done.returncode, err)
    assert "\x1b" not in out
    for words in ("we cut our own connection", "we kill the server", "server started again", "run taken over by"):
        assert words in out
    assert "\nreport: r.md\n" in out
    rows = dict(line.split()[:2] for line in out.partition("\n\n")[2].splitlines() if line)
    assert ("0", "0", "0", "1") == (rows["lost"], rows["repeated"], rows["reordered"], rows["takeovers"])


@pytest.mark.slow
async def test_a_provider_of_the_environment_writes_the_summary_and_the_demo_says_so(texts, monkeypatch):
    chat = Chat()
    words = [chat.text(f"word{number} ") for number in range(20)]
    async with providing(Reply(frames=[*chat.begin(), *words, *chat.end()])) as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", provider.url)
        monkeypatch.setenv("OPENAI_MODEL", "tested")
        done = start(texts, "cats.md", "dogs.txt", "--pace", "0.02")
        out, err = await asyncio.to_thread(done.communicate, timeout=55)
        assert (0, "") == (done.returncode, err)
        assert f"the summary is by tested of {provider.url.removeprefix('http://')} (OPENAI_BASE_URL is set)" in out
        assert "tested" == provider.requests[0].body["model"]
        assert "word0 word1 " in (texts / "out" / "report.md").read_text()
        asked = len(provider.requests)
        done = start(texts, "cats.md", "dogs.txt", "--pace", "0.02", "--offline")
        out, err = await asyncio.to_thread(done.communicate, timeout=55)
        assert (0, "", asked) == (done.returncode, err, len(provider.requests))
        assert "the summary is by" not in out


@pytest.mark.slow
def test_a_run_that_is_over_too_soon_is_not_called_a_success(texts):
    done = start(texts, "cats.md", "--pace", "0")
    out, _ = done.communicate(timeout=55)
    assert 1 == done.returncode
    assert "not as it must be: " in out
    assert "choose a slower --pace" in out


@pytest.mark.slow
@pytest.mark.parametrize(("how", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_leaves_nothing_behind_when_it_is_ended(texts, how, status):
    done = start(texts, "cats.md", "--pace", "0.1")
    assert done.stdout is not None
    assert "reviewing 1 document" in done.stdout.readline()
    server = pid_in(done.stdout.readline())
    assert alive(server)
    assert "started" in done.stdout.readline()
    done.send_signal(how)
    _, err = done.communicate(timeout=20)
    assert (status, "") == (done.returncode, err)
    assert not alive(server)
    assert [] == list((texts / "tmp").iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["gone.md"], "E6004", "it cannot be read: No such file or directory"),
        (["cats.md", "tmp"], "E6004", "it is a folder"),
        (["cats.md", "--out", "cats.md/report.md"], "E6006", "the report cannot be written"),
    ],
)
def test_what_cannot_be_read_or_written_is_an_error_before_anything_starts(
    cli, texts, monkeypatch, arguments, code, words
):
    monkeypatch.chdir(texts)
    said = cli("demo", *arguments)
    assert (1, "") == (said.status, said.out)
    assert said.err.startswith(f"error {code}: {words}")
    assert "review" == GRAPH
