"""`riverrun dev` and `serve` as processes: they say where they listen, serve, and end cleanly."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest

from riverrun.cli.serving import dev, serve

pytestmark = pytest.mark.slow


@contextmanager
def served(folder, *arguments, **environment):
    """Run a command of ours until the block is left; gives the process and its first line."""
    process = subprocess.Popen(
        [sys.executable, "-m", "riverrun.cli", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.communicate(timeout=20)


def command(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "riverrun.cli", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_dev_serves_all_graphs_of_a_module_and_the_other_commands_use_it(folder):
    with served(folder, "dev", "planted.py", "--port", "0", "--json") as (process, line):
        listening = json.loads(line)
        assert ("listening", process.pid) == (listening["event"], listening["pid"])
        url = listening["url"]
        done = command(folder, "run", "graph", "--url", url, "--input", '{"text": "so it goes"}')
        assert (0, "") == (done.returncode, done.stderr)
        assert 'state: {"text":"so it goes","said":"so it goes "}' == done.stdout.splitlines()[-1]
        unknown = command(folder, "run", "gone", "--url", url, "--json")
        assert "E2004" == json.loads(unknown.stderr)["code"]
        listed = command(folder, "runs", "list", "--url", url, "--json")
        run = json.loads(listed.stdout)["run"]
        tailed = command(folder, "runs", "tail", run[:14], "--url", url)
        assert "run completed in 1 step" == tailed.stdout.splitlines()[-1]
        assert run in command(folder, "runs", "show", run, "--url", url).stdout
        assert f"run {run} has ended: completed\n" == command(folder, "runs", "stop", run, "--url", url).stdout
        beyond = command(folder, "runs", "tail", run, "--url", url, "--after", "99")
        assert beyond.stderr.startswith("error E2006: ")
        process.send_signal(signal.SIGINT)
        assert 0 == process.wait(timeout=20)
    # The default store is a file in the current directory, and is looked at without a server as well.
    assert run in command(folder, "runs", "list").stdout


def test_a_run_on_a_server_is_stopped_from_the_command_line(folder):
    (folder / "endless.py").write_text(
        "import asyncio\nfrom riverrun import START, StateGraph\n"
        "async def wait(state):\n    yield 'half a sen'\n    await asyncio.Event().wait()\n"
        "graph = StateGraph(dict).add_node(wait).add_edge(START, 'wait').compile()\n"
    )
    with served(folder, "dev", "endless.py:graph", "--port", "0", "--json", "--name", "wait") as (_, line):
        url = json.loads(line)["url"]
        with served(folder, "run", "wait", "--url", url, "--json") as (running, first):
            run = json.loads(first)["run"]
            stopped = command(folder, "runs", "stop", run, "--url", url, "--reason", "enough")
            assert f"run {run} was asked to stop\n" == stopped.stdout
            out, err = running.communicate(timeout=20)
            assert 1 == running.returncode
            assert "enough" in out
            assert "E3011" == json.loads(err)["code"]


def test_serve_takes_its_settings_from_the_environment_and_logs_plainly(folder):
    environment = {"RIVERRUN_PORT": "0", "RIVERRUN_STORE": "memory:"}
    with served(folder, "serve", "planted:graph", **environment) as (process, line):
        assert line.startswith("riverrun serves graph on http://127.0.0.1:")
        assert "(store memory:, pid " in line
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(timeout=20)


def test_a_busy_port_is_an_error_with_a_code(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = command(folder, "dev", "planted:graph", "--port", port)
        assert 1 == done.returncode
        assert done.stderr.startswith(f"error E6003: port {port} is taken\n")
        assert "E6003" == json.loads(command(folder, "dev", "planted:graph", "--port", port, "--json").stderr)["code"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["planted:graph", "--store", "sqlite:////proc/none/x.db"], "E4001"),
        (["planted:graph", "--store", "post:it"], "E4006"),
        (["planted:graph", "--lease", "-1"], "E6006"),
        (["planted", "--name", "one"], "E6006"),
        (["planted:gone"], "E6002"),
        (["nowhere"], "E6001"),
    ],
)
def test_what_cannot_be_served_is_an_error_with_a_code(folder, arguments, code):
    done = command(folder, "dev", *arguments, "--port", "0")
    assert 1 == done.returncode
    assert done.stderr.startswith(f"error {code}: ")
    assert "Traceback" not in done.stderr


def test_the_commands_say_what_they_are_for():
    for each in (dev, serve):
        assert each.__doc__


def test_it_is_not_open_to_other_machines_unless_it_asks_who_comes_or_is_told(folder):
    arguments = ("serve", "planted:graph", "--host", "0.0.0.0", "--port", "0", "--store", "memory:")
    for command_name in ("serve", "dev"):
        done = command(folder, command_name, *arguments[1:])
        assert (1, "error E6006") == (done.returncode, done.stderr.splitlines()[0][:11])
        assert "RIVERRUN_KEYS" in done.stderr
        assert "--no-auth" in done.stderr
    for more, environment in ((["--no-auth"], {}), ([], {"RIVERRUN_KEYS": "me-key:me"})):
        with served(folder, *arguments, *more, "--json", **environment) as (process, line):
            url = json.loads(line)["url"].replace("0.0.0.0", "127.0.0.1")
            listed = command(folder, "runs", "list", "--url", url)
            assert (0 if more else 1) == listed.returncode
            assert 0 == command(folder, "runs", "list", "--url", url, "--key", "me-key").returncode
            process.send_signal(signal.SIGTERM)
            assert 0 == process.wait(timeout=20)


def test_a_setting_of_keys_that_cannot_be_taken_is_an_error_that_does_not_show_them(folder):
    environment = {**os.environ, "RIVERRUN_KEYS": "sesame:acme:all"}
    done = subprocess.run(
        [sys.executable, "-m", "riverrun.cli", "serve", "planted:graph", "--store", "memory:"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=environment,
    )
    assert (1, "error E6006") == (done.returncode, done.stderr.splitlines()[0][:11])
    assert "sesame" not in done.stderr


@pytest.mark.parametrize("target", ["planted.py:graph", "planted.py:bad"])
def test_dev_says_to_a_person_what_can_be_typed_as_it_stands(target, folder):
    master, slave = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "riverrun", "dev", target, "--port", "0"],
        cwd=folder,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "200", "NO_COLOR": "1"},
    )
    os.close(slave)
    told = ""
    try:
        while "Ctrl-C" not in told:
            told += os.read(master, 4096).decode()
        lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", told).splitlines()
        (line,) = [line for line in lines if line.lstrip().startswith("riverrun run")]
        done = command(folder, *shlex.split(line)[1:])
        assert '"text":"so it goes"' in done.stdout.splitlines()[-1]
    finally:
        process.kill()
        process.wait(timeout=20)
        os.close(master)
