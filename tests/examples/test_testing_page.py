"""docs/testing.md: the tests on it pass as they stand."""

from __future__ import annotations

import sys

import pytest

from tests.examples.pages import blocks, run, write_files

PAGE = "docs/testing.md"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["test_research.py", "test_served.py"])
def test_the_tests_of_the_page_pass(name, tmp_path):
    write_files(PAGE, tmp_path)
    count = sum(line.startswith("def test_") for line in (tmp_path / name).read_text().splitlines())
    done = run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", name], tmp_path)
    assert f"{count} passed" in done.stdout, done.stdout + done.stderr


def test_every_block_of_the_page_is_a_file_that_is_named():
    assert ["research.py", "test_research.py", "test_served.py"] == [block.name for block in blocks(PAGE, "python")]
