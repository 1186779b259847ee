"""Set-up fails with one clear line when the machine lacks what it needs, and every target is listed by `make help`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from tests.house.source import ROOT, plant


@pytest.fixture
def make(tmp_path):
    """Run make on a copy of the Makefile, away from the environment of this checkout."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    plant(tmp_path, {"requirements.lock": "", "pyproject.toml": ""})

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        outer = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"}
        return subprocess.run(
            ["make", *arguments],
            cwd=tmp_path,
            env={**outer, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )

    return run


@pytest.fixture
def python(tmp_path):
    """Plant a program that answers as another Python would."""

    def planted(body: str) -> str:
        plant(tmp_path, {"python": f"#!/bin/sh\n{body}\n"})
        (tmp_path / "python").chmod(0o755)
        return f"PYTHON={tmp_path / 'python'}"

    return planted


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """Give the one line on standard error that is not make's own."""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
    assert 2 == done.returncode
    assert 1 == len(lines), done.stderr
    return lines[0]


def test_help_lists_every_target(make):
    done = make()
    assert 0 == done.returncode
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == set(re.findall(r"^  make (\S+)", done.stdout, re.MULTILINE))


def test_a_python_that_is_not_there_is_named(make):
    assert "set-up: 'no-such-python' was not found; install Python 3.11 or later" in complaint(
        make("test", "PYTHON=no-such-python")
    )


def test_a_python_that_is_too_old_is_named(make, python):
    old = python('case "$1" in -V) echo Python 3.9.18 ;; *) exit 1 ;; esac')
    assert "needs Python 3.11 or later, but" in complaint(make("test", old))
    assert "is Python 3.9.18; name a newer one" in complaint(make("test", old))


def test_a_python_without_venv_is_named(make, python):
    bare = python('case "$2" in *venv*) exit 1 ;; *) exit 0 ;; esac')
    assert "its venv module is missing; install the package python3-venv" in complaint(make("demo", bare))
