"""The rules of tests/conftest.py, tried on a planted suite in a process of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CONFTEST = Path(__file__).parents[1] / "conftest.py"

SKIPS = """
import pytest

@pytest.mark.skip(reason="allowed: needs another operating system")
def test_allowed(): ...

def test_forbidden():
    pytest.skip("no database here")

@pytest.fixture
def server():
    pytest.skip("no server here")

def test_whose_fixture_skips(server): ...

@pytest.mark.xfail(reason="known")
def test_expected_to_fail():
    assert False

def test_plain(): ...
"""

LEAKS = """
import asyncio, threading, time
from concurrent.futures import ThreadPoolExecutor
import pytest

KEPT = []
FOREVER = threading.Event()

async def test_leaves_a_task():
    KEPT.append(asyncio.create_task(asyncio.sleep(60), name="stray"))

async def test_leaves_a_task_that_is_just_ending():
    KEPT.append(asyncio.create_task(asyncio.sleep(0.05)))

async def test_leaves_nothing():
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(0))
    await asyncio.to_thread(time.sleep, 0)

@pytest.fixture
async def pump():
    async with asyncio.TaskGroup() as group:
        task = group.create_task(asyncio.sleep(60))
        yield
        task.cancel()

async def test_whose_fixture_cleans_up(pump):
    await asyncio.sleep(0)

def test_leaves_a_thread():
    threading.Thread(target=FOREVER.wait, name="riverrun-stray", daemon=True).start()

def test_leaves_a_thread_that_is_just_ending():
    threading.Thread(target=time.sleep, args=(0.05,)).start()

@pytest.fixture(scope="session")
def pool():
    with ThreadPoolExecutor() as pool:
        yield pool

def test_wakes_a_pool_of_the_session(pool):
    pool.submit(time.sleep, 0).result()
"""


@pytest.fixture
def run_suite(tmp_path):
    """Run pytest on one planted file under our conftest; give back its exit status and output."""

    def run(source: str, **environment: str) -> tuple[int, str]:
        shutil.copy(CONFTEST, tmp_path / "conftest.py")
        (tmp_path / "pytest.ini").write_text(
            "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
        )
        (tmp_path / "test_planted.py").write_text(source)
        outer = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("PYTEST_")}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider"],
            cwd=tmp_path,
            env={**outer, **environment},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def outcomes(output: str) -> dict[str, str]:
    """Read pytest's short summary: what became of each planted test."""
    return {name: outcome for outcome, name in re.findall(r"^([A-Z]+) test_planted\.py::(\w+)", output, re.MULTILINE)}


def test_a_skip_without_leave_fails_in_ci(run_suite):
    status, output = run_suite(SKIPS, CI="true")
    assert 1 == status
    assert {
        "test_forbidden": "FAILED",
        "test_whose_fixture_skips": "ERROR",
        "test_expected_to_fail": "XFAIL",
        "test_plain": "PASSED",
    } == outcomes(output)
    assert "skipped in CI: test_planted.py::test_forbidden: 'no database here'" in output
    assert "1 failed, 1 passed, 1 skipped, 1 xfailed, 1 error" in output.splitlines()[-1]


def test_a_file_that_skips_whole_fails_in_ci(run_suite):
    status, output = run_suite('import pytest\npytest.importorskip("no_such_module")\n', CI="true")
    assert 0 != status
    assert "skipped in CI: test_planted.py" in output


def test_the_same_skips_pass_elsewhere(run_suite):
    status, output = run_suite(SKIPS)
    assert 0 == status
    assert "1 passed, 3 skipped, 1 xfailed" in output.splitlines()[-1]


def test_what_is_left_running_fails_the_test(run_suite):
    status, output = run_suite(LEAKS)
    assert 1 == status
    assert "the test left tasks running: <coroutine object sleep" in output
    assert "the test left threads running: riverrun-stray;" in output
    assert {"test_leaves_a_task", "test_leaves_a_thread"} == {
        name for name, outcome in outcomes(output).items() if outcome == "ERROR"
    }
    assert "7 passed, 2 errors" in output.splitlines()[-1]
