"""The README and the pages below docs/: every program on them runs, every link on them leads somewhere."""

from __future__ import annotations

import re
import sys

import pytest

from tests.examples.pages import blocks, run, write_files
from tests.house.source import ROOT, hold

PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
# These have tests of their own, which also put the files of a page together and look at what comes of them.
ELSEWHERE = {"docs/agents.md", "docs/production.md", "docs/start.md", "docs/testing.md"}
PROGRAMS = [(page, block) for page in PAGES if page not in ELSEWHERE for block in blocks(page, "python")]

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.*?) *$", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


def anchors(text):
    """Give the anchors that a page's headings have where it is shown."""
    headings = _HEADING.findall(_FENCED.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(root, page):
    """Name the links of a page that lead to no file, or to no heading of it."""
    text = (root / page).read_text(encoding="utf-8")
    dead = []
    for link in _LINK.findall(_FENCED.sub("", text)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        to = (root / page).parent / path if path else root / page
        if not to.exists():
            dead.append(f"{page}: {link} is not there")
        elif anchor and anchor not in anchors(to.read_text(encoding="utf-8")):
            dead.append(f"{page}: {link} names no heading")
    return dead


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "block"), PROGRAMS, ids=[f"{page.rpartition('/')[2]}:{block.line}" for page, block in PROGRAMS]
)
def test_a_program_on_a_page_runs_as_it_stands_and_prints_what_the_page_says(page, block, tmp_path):
    write_files(page, tmp_path)
    program = tmp_path / (block.name or "program.py")
    program.write_text(block.text, encoding="utf-8")
    done = run([sys.executable, program.name], tmp_path)
    assert 0 == done.returncode, done.stderr
    if block.printed is not None:
        assert block.printed == done.stdout


@pytest.mark.parametrize(
    "page",
    [*PAGES, "PROTOCOL.md", "CONTRIBUTING.md", "bench/RESULTS.md", "conformance/README.md", "web/client/README.md"],
)
def test_every_link_of_a_page_leads_to_a_file_and_a_heading_that_are_there(page):
    hold(dead_links(ROOT, page))


def test_every_page_can_be_reached_from_the_readme():
    seen, open_pages = set(), ["README.md"]
    while open_pages:
        page = open_pages.pop()
        seen.add(page)
        for link in _LINK.findall((ROOT / page).read_text(encoding="utf-8")):
            path = ((ROOT / page).parent / link.partition("#")[0]).resolve()
            if path.suffix == ".md" and path.is_file() and path.is_relative_to(ROOT):
                name = path.relative_to(ROOT).as_posix()
                if name not in seen:
                    open_pages.append(name)
    assert [] == [page for page in PAGES if page not in seen]


def test_a_dead_link_is_reported(tmp_path):
    (tmp_path / "a.md").write_text("# One, two\n[x](b.md) [y](#one-two) [z](#three)\n```\n[no](c.md)\n```\n")
    assert ["a.md: b.md is not there", "a.md: #three names no heading"] == dead_links(tmp_path, "a.md")


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_a_page_names_is_there(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"`(?:pytest )?((?:tests|bench|docs|examples|web|conformance)/[\w./-]*)", text)
    missing = [path for path in named if not (ROOT / path).exists() and not path.startswith("web/node_modules")]
    assert [] == missing
