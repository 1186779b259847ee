"""Errors stand in one tree, in one file, printed at its top: a caller can see at a glance what to catch."""

from __future__ import annotations

import ast
import builtins
import re
from pathlib import Path

from tests.house.source import ROOT, hold, last_name, modules, plant

TOP = "RiverrunError"
ERRORS = "src/riverrun/base/errors.py"
LEAVES = 15

_BRANCH = re.compile(r"^(?P<stem>[\s│]*)[├└]── (?P<name>\w+)")
_BUILT_IN = {
    name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, BaseException)
}


def declared_tree(root: Path) -> dict[str, str]:
    """Read the classes of the error file: each error of ours and its parent."""
    tree: dict[str, str] = {}
    for node in ast.parse((root / ERRORS).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            parent = last_name(node.bases[0]) if node.bases else ""
            if node.name == TOP or parent in tree:
                tree[node.name] = parent
    return tree


def printed_tree(text: str) -> dict[str, str]:
    """Read the tree that a docstring draws: each name and the name it hangs from."""
    lines = text.splitlines()
    first = next((number for number, line in enumerate(lines) if line.strip() == TOP), len(lines))
    tree: dict[str, str] = {}
    path: list[tuple[int, str]] = [(-1, TOP)]
    for line in lines[first + 1 :]:
        if not (branch := _BRANCH.match(line)):
            break
        depth = len(branch["stem"])
        path = [step for step in path if step[0] < depth]
        tree[branch["name"]] = path[-1][1]
        path.append((depth, branch["name"]))
    return tree


def crooked_errors(root: Path) -> list[str]:
    """Say what is wrong with the tree of errors, or with errors that do not stand in it."""
    file = ast.parse((root / ERRORS).read_text(encoding="utf-8"))
    tree = declared_tree(root)
    complaints = [
        f"{ERRORS}:{node.lineno}: {node.name} does not derive from {TOP}"
        for node in file.body
        # What derives from BaseException is no failure, and must not be taken for one.
        if isinstance(node, ast.ClassDef) and node.name not in tree and last_name(node.bases[0]) != "BaseException"
    ]
    leaves = tree.keys() - set(tree.values())
    if len(leaves) > LEAVES:
        complaints.append(f"{ERRORS}: {len(leaves)} leaves, at most {LEAVES}")
    printed = printed_tree(ast.get_docstring(file) or "").items()
    real = {name: parent for name, parent in tree.items() if name != TOP}.items()
    complaints += [
        f"{ERRORS}: the docstring does not show {name} under {parent}" for name, parent in sorted(real - printed)
    ]
    complaints += [f"{ERRORS}: the docstring shows {name} under {parent}" for name, parent in sorted(printed - real)]
    return complaints + _strangers(root, set(tree))


def _strangers(root: Path, ours: set[str]) -> list[str]:
    """Name the public errors that are declared elsewhere (a private one may steer control flow inside its file)."""
    return [
        f"{module.path}:{node.lineno}: error {node.name} belongs into {ERRORS}"
        for module in modules(root)
        if module.path != ERRORS
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
        and not node.name.startswith("_")
        and {last_name(base) for base in node.bases} & (ours | _BUILT_IN)
    ]


def test_all_errors_stand_in_the_printed_tree():
    hold(crooked_errors(ROOT))


def test_an_upright_tree_is_accepted(tmp_path):
    plant(
        tmp_path,
        {
            ERRORS: '''"""Errors.

    RiverrunError
    ├── Misuse        what the caller did
    │   └── InputError
    └── Fault
        ├── Busy      later
        └── Fenced
"""
class RiverrunError(Exception): ...
class Misuse(RiverrunError): ...
class InputError(Misuse): ...
class Fault(RiverrunError): ...
class Busy(Fault): ...
class Fenced(Fault): ...
''',
            "src/riverrun/runs/driver.py": "class _Stop(Exception): ...\n",
        },
    )
    assert [] == crooked_errors(tmp_path)


def test_a_crooked_tree_is_reported(tmp_path):
    many = "".join(f"class E{number}(Fault): ...\n" for number in range(LEAVES))
    drawn = "".join(f"    ├── E{number}\n" for number in range(LEAVES))
    plant(
        tmp_path,
        {
            ERRORS: f'''"""Errors.

RiverrunError
├── Fault
{drawn}└── Gone
"""
class RiverrunError(Exception): ...
class Stray(Exception): ...
class Fault(RiverrunError): ...
class Busy(RiverrunError): ...
{many}''',
            "src/riverrun/runs/driver.py": "class Late(TimeoutError): ...\n",
        },
    )
    assert [
        f"{ERRORS}:23: Stray does not derive from RiverrunError",
        f"{ERRORS}: 16 leaves, at most 15",
        f"{ERRORS}: the docstring does not show Busy under RiverrunError",
        f"{ERRORS}: the docstring shows Gone under RiverrunError",
        f"src/riverrun/runs/driver.py:1: error Late belongs into {ERRORS}",
    ] == crooked_errors(tmp_path)
