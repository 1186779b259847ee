"""Reads a source tree for the house tests: each rule is a function of a root, so it can be tried on a planted one."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Module:
    """One Python file of the package: its place below the root, its text and its syntax tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The room the file stands in; empty for a file beside the rooms."""
        parts = self.path.split("/")
        return parts[2] if len(parts) > 3 else ""

    @property
    def stem(self) -> str:
        """The name of the file without its ending."""
        return Path(self.path).stem


def modules(root: Path) -> list[Module]:
    """Read every Python file of the package below `root`, in a stable order."""
    found = []
    for path in sorted((root / "src" / "riverrun").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        found.append(Module(path.relative_to(root).as_posix(), text, ast.parse(text, str(path))))
    return found


def rooms(root: Path) -> list[str]:
    """Name the rooms: the packages directly inside `riverrun`."""
    return sorted(path.parent.name for path in (root / "src" / "riverrun").glob("*/__init__.py"))


def public(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Walk the public classes, functions and methods of a body, with dotted names."""
    for node in body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body, f"{prefix}{node.name}.")


def own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Walk what runs when a function runs: everything inside it but the bodies of functions and classes it defines."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, Definition | ast.Lambda):
            yield child
            yield from own_nodes(child)


def last_name(node: ast.expr | None) -> str:
    """Give the last name of `Name`, `module.Name`, `Name(...)`, `Name[...]`, or nothing."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=inner) | ast.Subscript(value=inner):
            return last_name(inner)
    return ""


def hold(complaints: list[str]) -> None:
    """Fail with every complaint in full, one on a line."""
    assert not complaints, "\n".join(["the house rules are broken:", *complaints])


def plant(root: Path, files: Mapping[str, str]) -> Path:
    """Write files below `root` and give it back."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root
