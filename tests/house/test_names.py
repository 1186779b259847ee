"""A thing is found by its name: no catch-all files, folders one deep, and tests in the place of their source."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.house.source import ROOT, hold, last_name, modules, plant

CATCH_ALL = {"base", "common", "core", "helper", "helpers", "lib", "manager", "managers", "misc", "shared", "stuff"}
CATCH_ALL |= {"tools", "util", "utils"}

# Files without a test file of their own, each with the reason.
TESTED_ELSEWHERE: dict[str, str] = {}

# What starts threads, and the argument that gives them a name of ours (tests/conftest.py tells leaks by it).
NAMED_BY = {"Thread": "name", "Timer": "name", "ThreadPoolExecutor": "thread_name_prefix"}


def catch_alls(root: Path) -> list[str]:
    """Name the files and folders whose name says nothing of what is inside (the bottom room `base` may)."""
    complaints = []
    for module in modules(root):
        below = Path(module.path).relative_to("src/riverrun").parts
        if len(below) > 2:
            complaints.append(f"{module.path}: folders are one deep")
        folders = [part for part in below[:-1] if part != "base"]
        complaints += [
            f"{module.path}: '{name}' says nothing of what is inside; name the noun it defines"
            for name in [*folders, module.stem]
            if name in CATCH_ALL
        ]
    return complaints


def without_tests(root: Path) -> list[str]:
    """Name the files of the package that have no test file in the same place under `tests/`."""
    complaints = []
    for module in modules(root):
        if module.stem.startswith("__") or module.path in TESTED_ELSEWHERE:
            continue
        wanted = Path("tests", *Path(module.path).parts[2:-1], f"test_{module.stem}.py")
        if not (root / wanted).is_file():
            complaints.append(f"{module.path}: has no {wanted}")
    return complaints


def nameless_threads(root: Path) -> list[str]:
    """Name the places that start a thread or a pool without a name."""
    return [
        f"{module.path}:{node.lineno}: {kind} without {NAMED_BY[kind]}="
        for module in modules(root)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and (kind := last_name(node.func)) in NAMED_BY
        and NAMED_BY[kind] not in {keyword.arg for keyword in node.keywords}
    ]


def test_names_say_what_is_inside():
    hold(catch_alls(ROOT))


def test_tests_mirror_the_source():
    hold(without_tests(ROOT))


def test_exceptions_to_the_mirror_exist_and_have_a_reason():
    assert [] == [path for path, reason in TESTED_ELSEWHERE.items() if not reason or not (ROOT / path).is_file()]


def test_threads_have_names():
    hold(nameless_threads(ROOT))


def test_catch_all_names_and_deep_folders_are_reported(tmp_path):
    plant(
        tmp_path,
        {
            "src/riverrun/base/errors.py": "",
            "src/riverrun/runs/utils.py": "",
            "src/riverrun/common/clock.py": "",
            "src/riverrun/wire/sse/parse.py": "",
        },
    )
    assert [
        "src/riverrun/common/clock.py: 'common' says nothing of what is inside; name the noun it defines",
        "src/riverrun/runs/utils.py: 'utils' says nothing of what is inside; name the noun it defines",
        "src/riverrun/wire/sse/parse.py: folders are one deep",
    ] == catch_alls(tmp_path)


def test_a_file_without_tests_is_reported(tmp_path):
    plant(
        tmp_path,
        {
            "src/riverrun/__init__.py": "",
            "src/riverrun/runs/__init__.py": "",
            "src/riverrun/runs/driver.py": "",
            "src/riverrun/runs/lease.py": "",
            "tests/runs/test_lease.py": "",
        },
    )
    assert ["src/riverrun/runs/driver.py: has no tests/runs/test_driver.py"] == without_tests(tmp_path)


def test_a_nameless_thread_is_reported(tmp_path):
    source = """
import threading
from concurrent.futures import ThreadPoolExecutor

threading.Thread(target=print, name="riverrun-writer")
threading.Thread(target=print)
ThreadPoolExecutor(2, thread_name_prefix="riverrun-node")
ThreadPoolExecutor(2)
"""
    plant(tmp_path, {"src/riverrun/stores/writer.py": source})
    assert [
        "src/riverrun/stores/writer.py:6: Thread without name=",
        "src/riverrun/stores/writer.py:8: ThreadPoolExecutor without thread_name_prefix=",
    ] == nameless_threads(tmp_path)
