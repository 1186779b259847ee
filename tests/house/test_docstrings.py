"""What is public says what it is for, and which of our errors a caller must expect."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.house.source import ROOT, Definition, Module, hold, last_name, modules, own_nodes, plant, public
from tests.house.test_error_tree import declared_tree


def undocumented(root: Path) -> list[str]:
    """Name the modules, classes, functions and methods that are public and say nothing."""
    complaints = []
    for module in modules(root):
        if not ast.get_docstring(module.tree):
            complaints.append(f"{module.path}: the file does not open with why it exists")
        complaints += [
            f"{module.path}:{node.lineno}: {name} has no docstring"
            for name, node in public(module.tree.body)
            if not ast.get_docstring(node) and not _documented_elsewhere(node)
        ]
    return complaints


def silent_raises(root: Path) -> list[str]:
    """Name the public functions that raise one of our errors and do not say so under `Raises:`."""
    ours = set(declared_tree(root))
    return [complaint for module in modules(root) for complaint in _silent_raises(module, ours)]


def _silent_raises(module: Module, ours: set[str]) -> list[str]:
    complaints = []
    for name, node in public(module.tree.body):
        bodies = [part for part in node.body if _is_init(part)] if isinstance(node, ast.ClassDef) else [node]
        raised = {error for body in bodies for error in _raised(body)} & ours
        said = _raises_section(node)
        missing = sorted(error for error in raised if error not in said)
        if missing:
            complaints.append(
                f"{module.path}:{node.lineno}: {name} raises {', '.join(missing)} without a word in Raises:"
            )
    return complaints


def _is_init(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "__init__"


def _raised(function: ast.AST) -> set[str]:
    return {last_name(node.exc) for node in own_nodes(function) if isinstance(node, ast.Raise)}


def _raises_section(node: Definition) -> str:
    return (ast.get_docstring(node) or "").partition("Raises:")[2]


def _documented_elsewhere(node: Definition) -> bool:
    """Overloads share the docstring of the function; an override has that of what it overrides; so has a setter."""
    marks = {last_name(mark) for mark in node.decorator_list}
    return bool(marks & {"overload", "override", "setter"})


def test_everything_public_is_documented():
    hold(undocumented(ROOT))


def test_every_error_of_ours_is_announced():
    hold(silent_raises(ROOT))


def test_what_is_public_and_silent_is_reported(tmp_path):
    source = '''
import typing

def loud():
    """Say it."""
    def inner(): ...

def silent(): ...

def _private(): ...

class Thing:
    """A thing."""

    def __len__(self): ...

    def method(self): ...

    @typing.override
    def inherited(self): ...

class _Hidden:
    def method(self): ...
'''
    plant(tmp_path, {"src/riverrun/graph/thing.py": source})
    assert [
        "src/riverrun/graph/thing.py: the file does not open with why it exists",
        "src/riverrun/graph/thing.py:8: silent has no docstring",
        "src/riverrun/graph/thing.py:17: Thing.method has no docstring",
    ] == undocumented(tmp_path)


def test_an_unannounced_error_is_reported(tmp_path):
    errors = '''"""Errors."""
class RiverrunError(Exception): ...
class Busy(RiverrunError): ...
'''
    source = '''"""Things."""
from riverrun.base import errors
from riverrun.base.errors import Busy

class Made:
    """A thing."""

    def __init__(self):
        raise Busy("E3010", "no")

    def announced(self):
        """Do it.

        Raises:
            Busy: When it is.
        """
        raise errors.Busy("E3010", "no")

    def foreign(self):
        """Do it."""
        raise ValueError

def outer():
    """Do it."""
    def inner():
        raise Busy("E3010", "no")
    if inner:
        raise errors.Busy from None

def _hidden():
    raise Busy("E3010", "no")
'''
    plant(tmp_path, {"src/riverrun/base/errors.py": errors, "src/riverrun/runs/thing.py": source})
    assert [
        "src/riverrun/runs/thing.py:5: Made raises Busy without a word in Raises:",
        "src/riverrun/runs/thing.py:23: outer raises Busy without a word in Raises:",
    ] == silent_raises(tmp_path)
