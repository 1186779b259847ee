"""The demo finds its graph and its documents, and refuses what it cannot read before anything is started."""

from __future__ import annotations

import pytest

from riverrun.base.errors import InputError, LoadError
from riverrun.cli import material
from riverrun.cli.material import documents, project, review_target
from riverrun.cli.target import load


def test_the_default_is_the_projects_own_documents():
    root = project()
    assert root is not None
    found = documents(())
    assert str(root / "PROTOCOL.md") in found.paths
    assert any(path.startswith(str(root / "docs")) for path in found.paths)
    assert found.size_bytes > 10_000


def test_outside_of_a_checkout_it_is_those_of_the_current_directory(folder, monkeypatch):
    monkeypatch.setattr(material, "project", lambda: None)
    with pytest.raises(InputError, match="E6004 no file was named"):
        documents(())
    (folder / "a.md").write_text("# A\n")
    (folder / "empty.md").write_text("")
    assert ([str(folder / "a.md")], 4) == documents(())


def test_files_are_taken_once_and_measured(folder):
    (folder / "a.txt").write_text("word")
    (folder / "wide.txt").write_bytes("wörd".encode("utf-16"))
    assert ([str(folder / "a.txt"), str(folder / "wide.txt")], 14) == documents(["a.txt", "wide.txt", "./a.txt"])


def test_what_cannot_be_read_is_refused(folder):
    (folder / "picture.png").write_bytes(b"\x89PNG\x00\x00")
    large = folder / "large.txt"
    large.write_bytes(b"words " * 11_000_000)
    for name, words in {
        "gone.txt": "No such file",
        ".": "it is a folder",
        "picture.png": "it is not a text file",
        "large.txt": "the limit is 64 MB",
    }.items():
        with pytest.raises(InputError, match=words) as raised:
            documents([name])
        assert "E6004" == raised.value.code
        assert raised.value.where.startswith(str(folder))


def test_the_graph_of_the_demo_is_among_the_examples():
    place, _, name = review_target().rpartition(":")
    assert place.endswith("examples/review/graph.py")
    assert "review" == name
    assert ["review"] == list(load(review_target()))


def test_a_package_without_examples_says_so(monkeypatch):
    monkeypatch.setattr(material, "project", lambda: None)
    with pytest.raises(LoadError, match="E6002 the examples are not there"):
        review_target()
