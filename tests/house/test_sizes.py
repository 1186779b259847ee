"""A file and a class stay small enough to be read in one sitting (functions: ruff C901 and PLR0915)."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.house.source import ROOT, hold, modules, plant

FILE_LINES = 500
CLASS_LINES = 300


def too_large(root: Path) -> list[str]:
    """Name the files and classes over the limits."""
    complaints = []
    for module in modules(root):
        lines = len(module.text.splitlines())
        if lines > FILE_LINES:
            complaints.append(f"{module.path}: {lines} lines, at most {FILE_LINES}")
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > CLASS_LINES:
                    complaints.append(f"{module.path}:{node.lineno}: class {node.name}: {lines} lines, at most 300")
    return complaints


def test_files_and_classes_are_within_the_limits():
    hold(too_large(ROOT))


def test_a_long_file_and_a_long_class_are_reported(tmp_path):
    long_class = "class Long:\n" + "    x = 1\n" * 300
    plant(
        tmp_path,
        {
            "src/riverrun/graph/fits.py": "x = 1\n" * 500,
            "src/riverrun/graph/long.py": "x = 1\n" * 501,
            "src/riverrun/graph/klass.py": long_class,
        },
    )
    assert [
        "src/riverrun/graph/klass.py:1: class Long: 301 lines, at most 300",
        "src/riverrun/graph/long.py: 501 lines, at most 500",
    ] == too_large(tmp_path)
