"""The rooms keep their order: the import contract holds, it would notice a breach, and pure rooms do not act.

The contract (pyproject.toml, `[tool.importlinter]`) sees imports. What needs no import, such as `open` or `await`,
is seen here.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT, Module, hold, modules, plant, rooms

PURE_ROOMS = {"events", "graph", "log", "wire"}
PURE_FILES = {"src/riverrun/client/session.py"}
PURE_PACKAGES = {"riverrun", "msgspec"}
ACTS = {"__import__", "breakpoint", "eval", "exec", "input", "open", "print"}

ROOMS = ["agents", "base", "cli", "client", "events", "face", "graph", "log", "models", "nodes", "observe"]
ROOMS += ["runs", "server", "stores", "testing", "transports", "wire"]


def impurities(root: Path) -> list[str]:
    """Name the places in pure rooms that wait, touch the world, or lean on a package other than the codec."""
    return [
        f"{module.path}:{line}: {what} in a pure room"
        for module in modules(root)
        if module.room in PURE_ROOMS or module.path in PURE_FILES
        for line, what in _impurities(module)
    ]


def _impurities(module: Module) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(module.tree):
        match node:
            case ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                found.append((node.lineno, "waiting"))
            case ast.Call(func=ast.Name(id=name)) if name in ACTS:
                found.append((node.lineno, f"{name}()"))
            case ast.Import(names=names):
                found += [(node.lineno, f"import of {name.name}") for name in names if not _pure(name.name)]
            case ast.ImportFrom(module=name) if not _pure(name or ""):
                found.append((node.lineno, f"import of {name}"))
    return sorted(found)


def _pure(name: str) -> bool:
    top = name.partition(".")[0]
    return top in PURE_PACKAGES or top in sys.stdlib_module_names


def lint_imports(root: Path) -> tuple[int, str]:
    """Run our contract on the package below `root`."""
    done = subprocess.run(
        [
            Path(sys.executable).with_name("lint-imports"),
            "--config",
            ROOT / "pyproject.toml",
            "--no-cache",
            "--no-logo",
        ],
        cwd=root / "src",
        env={**os.environ, "PYTHONPATH": str(root / "src"), "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def house(tmp_path):
    """Build an empty house: all rooms, no furniture."""
    plant(tmp_path, {f"src/riverrun/{room}/__init__.py": "" for room in ROOMS})
    named_in_the_contract = ["__init__.py", "base/clock.py", "base/ids.py", "client/session.py"]
    return plant(tmp_path, {f"src/riverrun/{name}": "" for name in named_in_the_contract})


def test_the_rooms_are_those_of_the_design():
    assert ROOMS == rooms(ROOT)


def test_pure_rooms_do_not_act():
    hold(impurities(ROOT))


def test_the_import_contract_is_kept():
    status, output = lint_imports(ROOT)
    assert 0 == status, output


def test_an_empty_house_keeps_the_contract(house):
    status, output = lint_imports(house)
    assert 0 == status, output
    assert "Contracts: 4 kept, 0 broken." in output


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        pytest.param(
            {"runs/driver.py": "import riverrun.stores.memory", "stores/memory.py": ""},
            "riverrun.runs.driver -> riverrun.stores.memory (l.1)",
            id="rooms of one line know each other",
        ),
        pytest.param(
            {"events/kinds.py": "from riverrun.log import tail", "log/tail.py": ""},
            "riverrun.events.kinds -> riverrun.log.tail (l.1)",
            id="import upwards",
        ),
        pytest.param(
            {"attic/__init__.py": ""},
            "riverrun.attic",
            id="a room that no layer names",
        ),
        pytest.param(
            {"graph/engine.py": "def run():\n    import asyncio"},
            "riverrun.graph.engine -> asyncio (l.2)",
            id="asyncio in a pure room",
        ),
        pytest.param(
            {"wire/sse.py": "from riverrun.base import ids", "base/ids.py": "import secrets"},
            "riverrun.base.ids",
            id="randomness by way of base",
        ),
        pytest.param(
            {"client/session.py": "import time"},
            "riverrun.client.session -> time (l.1)",
            id="the clock in the session",
        ),
        pytest.param(
            {"cli/main.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import riverrun.testing"},
            "riverrun.cli.main -> riverrun.testing (l.3)",
            id="the test kit in the product",
        ),
        pytest.param(
            {"runs/lease.py": "import riverrun.runs.admit", "runs/admit.py": "import riverrun.runs.lease"},
            "Files of one room form no cycle BROKEN",
            id="a cycle inside a room",
        ),
    ],
)
def test_a_breach_of_the_contract_is_reported(house, files, complaint):
    plant(house, {f"src/riverrun/{name}": text for name, text in files.items()})
    status, output = lint_imports(house)
    assert 1 == status
    assert complaint in output


def test_acting_in_a_pure_room_is_reported(tmp_path):
    source = """
import msgspec, orjson
from riverrun.base.errors import Busy

async def read(path):
    async with path:
        await path
    return open(path)
"""
    plant(
        tmp_path,
        {
            "src/riverrun/log/log.py": source,
            "src/riverrun/client/session.py": "print(1)",
            "src/riverrun/runs/driver.py": source,
        },
    )
    assert [
        "src/riverrun/client/session.py:1: print() in a pure room",
        "src/riverrun/log/log.py:2: import of orjson in a pure room",
        "src/riverrun/log/log.py:6: waiting in a pure room",
        "src/riverrun/log/log.py:7: waiting in a pure room",
        "src/riverrun/log/log.py:8: open() in a pure room",
    ] == impurities(tmp_path)
