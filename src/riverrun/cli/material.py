"""What the demo works with: its graph among the examples, and the documents that it reads. One place knows where."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import riverrun
from riverrun.base.errors import InputError, LoadError

_GRAPH = Path("review", "graph.py")
_LOOK_BYTES = 8192
_MAX_BYTES = 64_000_000
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class Documents(NamedTuple):
    """Files that can be read: their absolute paths, and their size together."""

    paths: list[str]
    size_bytes: int


def project() -> Path | None:
    """Give the root of the checkout that this package runs from; None when it was installed from a wheel."""
    root = Path(riverrun.__file__).resolve().parents[2]
    return root if (root / "pyproject.toml").is_file() and (root / "examples").is_dir() else None


def review_target() -> str:
    """Say what to serve for the demo.

    Returns:
        A target: the file of the review graph, shipped with the package or beside the source.

    Raises:
        LoadError: E6002, the examples are in neither place.
    """
    inside = Path(riverrun.__file__).resolve().parent / "examples"
    root = project()
    for folder in (inside, *([root / "examples"] if root is not None else [])):
        if (folder / _GRAPH).is_file():
            return f"{folder / _GRAPH}:review"
    mend = "Install Riverrun from a wheel that ships them, or run the demo in a checkout."
    raise LoadError("E6002", "the examples are not there", where=str(inside), mend=mend)


def documents(files: Sequence[str]) -> Documents:
    """Check the files that were named, or find some.

    Args:
        files: As named by the user; when empty, the project's own Markdown documents are taken, and outside of a
            checkout those of the current directory.

    Returns:
        The documents, each once.

    Raises:
        InputError: E6004, a file cannot be read or is no text, or none was named and none is there.
    """
    paths = [Path(name).absolute() for name in files] or _own()
    unique = list(dict.fromkeys(paths))
    return Documents([str(path) for path in unique], sum(map(_size, unique)))


def _own() -> list[Path]:
    root = project()
    if root is not None:
        found = [*sorted(root.glob("*.md")), *sorted((root / "docs").glob("*.md"))]
    else:
        found = sorted(Path.cwd().glob("*.md"))
    # An empty file is no error when it is named, but nothing to choose by ourselves.
    found = [path for path in found if path.is_file() and path.stat().st_size]
    if not found:
        mend = "Name some text files: riverrun demo a.txt b.md"
        raise InputError("E6004", "no file was named and there are no Markdown documents", where=".", mend=mend)
    return found


def _size(path: Path) -> int:
    """Look at the beginning of a file and give its size."""
    try:
        if path.is_dir():
            raise InputError("E6004", "it is a folder", where=str(path), mend="Name the files in it.")
        with path.open("rb") as file:
            start = file.read(_LOOK_BYTES)
        size = path.stat().st_size
    except OSError as error:
        raise InputError("E6004", f"it cannot be read: {error.strerror or error}", where=str(path)) from None
    if b"\0" in start and not start.startswith(_UTF16_MARKS):
        raise InputError("E6004", "it is not a text file", where=str(path), mend="Name text files: .txt, .md, code.")
    if size > _MAX_BYTES:
        what = f"it has {size / 1e6:,.0f} MB, the limit is 64 MB"
        raise InputError("E6004", what, where=str(path), mend="Split the file.")
    return size
