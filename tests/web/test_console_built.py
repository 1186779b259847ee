"""The console as it is shipped: built, light enough, in the wheel and the sdist, and never forgotten in silence."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

from tests.web.consoles import BUILT, CONSOLE, built
from tests.web.node import WEB, found, installed

pytestmark = pytest.mark.slow

ROOT = WEB.parent
FIRST_LOAD = 150_000
ALL = 400_000
# What a build of the package looks at; node_modules would take minutes to copy.
PARTS = ["pyproject.toml", "README.md", "LICENSE", ".gitignore", "src", "examples", "web/console"]


@pytest.fixture(scope="module")
def node():
    """A Node, with the console built."""
    told = found()
    if told is None:
        pytest.skip("allowed: there is no Node here, neither from its Python wheel nor on the PATH")
    problem = installed(told)
    if problem:
        pytest.skip(f"allowed: {problem}")
    assert "" == built(told)
    return told


@pytest.fixture
def checkout(node, tmp_path):
    """A copy of what a build looks at."""
    for part in PARTS:
        source, target = ROOT / part, tmp_path / "checkout" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.db*"))
        else:
            shutil.copy(source, target)
    return tmp_path / "checkout"


def make(checkout, kind):
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(checkout.parent / "out")]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=100, check=False)


def weighed(*entries):
    """Weigh what a browser loads for some entries of the manifest, packed, with all that they import at once."""
    manifest = json.loads((BUILT / "manifest.json").read_text())
    names, left = {"index.html"}, list(entries)
    seen = set()
    while left:
        entry = left.pop()
        if entry in seen:
            continue
        seen.add(entry)
        told = manifest[entry]
        names |= {told["file"], *told.get("css", ())}
        left += told.get("imports", ())
    return sum(len(gzip.compress((BUILT / name).read_bytes(), 9)) for name in names)


def test_the_types_of_the_console_are_right(node):
    command = [node.node, str(WEB / "node_modules" / "typescript" / "bin" / "tsc"), "-p", "tsconfig.json"]
    done = subprocess.run(command, cwd=CONSOLE, capture_output=True, text=True, timeout=150, check=False)
    assert (0, "") == (done.returncode, done.stdout)


def test_the_models_of_the_console_keep_their_laws(node):
    done = subprocess.run(
        [node.node, str(CONSOLE / "test" / "run.mjs")],
        cwd=CONSOLE,
        env=node.environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=150,
        check=False,
    )
    assert 0 == done.returncode, done.stdout[-6000:] + done.stderr
    counts = dict(re.findall(r"^# (tests|pass|fail|skipped|todo) (\d+)$", done.stdout, re.MULTILINE))
    assert counts["tests"] == counts["pass"]
    assert int(counts["tests"]) >= 14


def test_both_languages_say_the_same_things(node):
    def words(name):
        text = (CONSOLE / "src" / "base" / name).read_text(encoding="utf-8")
        return dict(re.findall(r'^  "([^"]+)": "(.*)",$', text, re.MULTILINE))

    english, chinese = words("words-en.ts"), words("words-zh.ts")
    assert english.keys() == chinese.keys()
    assert len(english) > 200
    for word, said in english.items():
        assert sorted(re.findall(r"{\w+}", said)) == sorted(re.findall(r"{\w+}", chinese[word])), word


def test_the_first_load_is_light_and_so_is_all_of_it(node):
    assert weighed("index.html") <= FIRST_LOAD
    # The run of a deep link as well: what is heavy in it (diagram, Markdown) comes when it is drawn.
    assert weighed("index.html", "src/run/page.tsx") <= FIRST_LOAD
    files = [path for path in BUILT.rglob("*") if path.is_file() and path.name != "manifest.json"]
    assert sum(len(gzip.compress(path.read_bytes(), 9)) for path in files) <= ALL


def test_what_is_built_asks_nobody_else_for_anything(node):
    page = (BUILT / "index.html").read_text()
    assert "http" not in page
    assert '<base href="./" />' in page
    for style in BUILT.rglob("*.css"):
        assert "url(http" not in style.read_text()
        assert "@import" not in style.read_text()


def test_wheel_and_sdist_hold_the_console_and_nothing_of_its_tools(checkout):
    for kind in ("wheel", "sdist"):
        done = make(checkout, kind)
        assert 0 == done.returncode, done.stderr
    (wheel,) = (checkout.parent / "out").glob("*.whl")
    (sdist,) = (checkout.parent / "out").glob("*.tar.gz")
    wanted = {path.relative_to(BUILT).as_posix() for path in BUILT.rglob("*") if path.is_file()}
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert {f"riverrun/_console/{name}" for name in wanted} <= names
        assert archive.read("riverrun/_console/index.html") == (BUILT / "index.html").read_bytes()
    assert not [name for name in names if "web/" in name or "node_modules" in name]
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {f"src/riverrun/_console/{name}" for name in wanted} <= names
    assert "web/console/shipped.py" in names  # a wheel is built from the sdist, by the same rules
    assert not [name for name in names if "node_modules" in name]


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_without_the_console_nothing_is_built_and_it_says_what_to_do(checkout, kind):
    shutil.rmtree(checkout / "src" / "riverrun" / "_console")
    done = make(checkout, kind)
    assert 0 != done.returncode
    assert "make console" in done.stderr
    assert not list((checkout.parent / "out").glob("*"))
