"""A process dies or stands still at the place and the time that was asked for, and nowhere when nothing was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from riverrun.base.errors import InputError
from riverrun.runs import points

PROGRAM = """
from riverrun.runs.points import reach
for number in range(3):
    for name in ("append.before", "append.after"):
        if reach:
            reach(name)
        print(name, number, flush=True)
"""


def start(asked):
    """Run the program with something asked of it."""
    env = {**os.environ, "RIVERRUN_FAULT_POINT": asked}
    return subprocess.Popen([sys.executable, "-c", PROGRAM], env=env, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize(("asked", "lines"), [("append.after", 1), ("append.before:2", 2), ("append.after:3:kill", 5)])
def test_a_process_dies_where_it_was_asked_to(asked, lines):
    with start(asked) as process:
        said, _ = process.communicate(timeout=20)
    assert (-signal.SIGKILL, lines) == (process.returncode, said.count("\n"))


@pytest.mark.slow
def test_a_process_stands_still_until_it_is_told_to_go_on():
    with start("append.before:2:stop") as process:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        process.send_signal(signal.SIGCONT)
        said, _ = process.communicate(timeout=20)
    assert (0, 6) == (process.returncode, said.count("\n"))


def test_nothing_is_reached_when_nothing_is_asked_for():
    assert points.arm("") is None


@pytest.mark.parametrize("asked", ["append.never", "append.after:0", "append.after:x", "append.after:1:gently", ":"])
def test_what_there_is_not_is_refused(asked):
    with pytest.raises(InputError, match="E6006"):
        points.arm(asked)


def test_another_place_is_passed():
    reach = points.arm("append.after")
    assert reach is not None
    reach("append.before")
