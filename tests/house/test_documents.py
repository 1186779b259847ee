"""What the documents name is there: words, rooms and commands; and no file ties the tree to one place to fetch from."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.house.source import ROOT, hold, plant, rooms

VOCABULARY = "docs/vocabulary.md"
LOCKS = ("requirements.lock", "bench/requirements.lock", "tests/fuzz/requirements.lock")

# Written in pieces, so that this file obeys the rule that it holds.
REGISTRY_HOSTS = [
    ".".join(parts)
    for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("crates", "io"))
]

_SHELL_BLOCK = re.compile(r"^```(?:sh|bash|shell|console)\s*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^\s*(?:\$\s*)?make\s+([a-z][a-z-]*)", re.MULTILINE)
_TARGET = re.compile(r"^([a-z][a-z-]*):(?!=)", re.MULTILINE)


def vocabulary(root: Path) -> list[tuple[str, list[str]]]:
    """Read the tables of the vocabulary: each word and the paths in its third column."""
    entries = []
    for line in (root / VOCABULARY).read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) < 3 or cells[2].lower() == "where" or set(cells[0]) <= set("-: "):
            continue
        entries.append((cells[0], re.findall(r"`([^`]+)`", cells[2])))
    return entries


def misplaced_words(root: Path) -> list[str]:
    """Name the words that are not where the vocabulary says, and the rooms that it does not lead to."""
    entries = vocabulary(root)
    if not entries:
        return [f"{VOCABULARY}: no table with a third column 'where'"]
    complaints = []
    reached = set()
    for word, places in entries:
        if not places:
            complaints.append(f"{VOCABULARY}: {word} has no path in backticks")
        for place in places:
            found = [path for path in (root / place, root / "src" / "riverrun" / place) if path.exists()]
            if not found:
                complaints.append(f"{VOCABULARY}: {word} should be in {place}, which does not exist")
            reached |= {part for path in found for part in path.relative_to(root).parts[2:3]}
    return complaints + [
        f"{VOCABULARY}: leads to nothing in the room {room}" for room in rooms(root) if room not in reached
    ]


def unknown_commands(root: Path) -> list[str]:
    """Name the `make` commands that the README shows and the Makefile does not have."""
    shown = [
        command
        for block in _SHELL_BLOCK.findall((root / "README.md").read_text(encoding="utf-8"))
        for command in _COMMAND.findall(block)
    ]
    targets = set(_TARGET.findall((root / "Makefile").read_text(encoding="utf-8")))
    return [f"README.md: make {command} is not in the Makefile" for command in shown if command not in targets]


def files(root: Path) -> list[Path]:
    """List the files that belong to the tree: those that git knows or would take; without git, those not hidden."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        timeout=50,
        check=False,
    )
    if listing.returncode == 0 and (root / ".git").exists():
        return sorted(path for name in listing.stdout.decode().split("\0") if name and (path := root / name).is_file())
    names = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(root / name for name in names if not any(part.startswith(".") for part in name.parts))


def named_registries(root: Path) -> list[str]:
    """Name the lines that name the host of a package registry, and any address in a lock file."""
    complaints = []
    for path in files(root):
        name = path.relative_to(root).as_posix()
        forbidden = ["://"] if path.suffix == ".lock" else REGISTRY_HOSTS
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            complaints += [f"{name}:{number}: names {host}" for host in forbidden if host in line]
    return complaints


def test_words_are_where_the_vocabulary_says():
    hold(misplaced_words(ROOT))


def test_the_commands_of_the_readme_exist():
    hold(unknown_commands(ROOT))


def test_the_readme_shows_the_two_commands():
    blocks = "\n".join(_SHELL_BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8")))
    assert {"demo", "test"} <= set(_COMMAND.findall(blocks))


def test_no_file_names_a_registry():
    hold(named_registries(ROOT))


def test_every_locked_package_has_a_hash():
    for name in LOCKS:
        packages = re.split(r"^(?=[a-z0-9])", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
        assert packages, name
        assert [] == [package.split()[0] for package in packages if "--hash=sha256:" not in package]


def test_a_word_without_a_place_is_reported(tmp_path):
    plant(
        tmp_path,
        {
            VOCABULARY: "# Words\n\n| word | means | where |\n|---|---|---|\n| Run | one | `runs/service.py` |\n"
            "| Log | two | `src/riverrun/log/` |\n| Graph | three | `graph/gone.py` |\n| Soul | four | nowhere |\n",
            "src/riverrun/runs/__init__.py": "",
            "src/riverrun/runs/service.py": "",
            "src/riverrun/log/__init__.py": "",
            "src/riverrun/graph/__init__.py": "",
        },
    )
    assert [
        f"{VOCABULARY}: Graph should be in graph/gone.py, which does not exist",
        f"{VOCABULARY}: Soul has no path in backticks",
        f"{VOCABULARY}: leads to nothing in the room graph",
    ] == misplaced_words(tmp_path)


def test_a_vocabulary_without_a_table_is_reported(tmp_path):
    plant(tmp_path, {VOCABULARY: "# Words\n"})
    assert [f"{VOCABULARY}: no table with a third column 'where'"] == misplaced_words(tmp_path)


def test_an_unknown_command_is_reported(tmp_path):
    plant(
        tmp_path,
        {
            "README.md": "We make do.\n```sh\nmake demo FILES=a\n$ make tests\n```\n\n```python\nmake nothing\n```\n",
            "Makefile": "PYTHON := python3\n\ndemo: .venv/.ready\n\ntest:\n",
        },
    )
    assert ["README.md: make tests is not in the Makefile"] == unknown_commands(tmp_path)


def test_a_named_registry_is_reported(tmp_path):
    host = REGISTRY_HOSTS[0]
    plant(tmp_path, {"docs/install.md": f"\nsee {host}\n", "requirements.lock": "a==1 @ https://example.invalid/a\n"})
    assert [f"docs/install.md:2: names {host}", "requirements.lock:1: names ://"] == named_registries(tmp_path)
