"""Files are read once, known by path, time and size, and refused in plain words."""

from __future__ import annotations

import os

import pytest

from examples.review import shelf as shelf_module
from examples.review.shelf import Shelf, read, short_names


def text_of(document):
    return " ".join(block.text for block in document.blocks())


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xef\xbb\xbfplain", "plain"),
        ("größer".encode("utf-16"), "größer"),
        (b"odd \xff byte", "odd \ufffd byte"),
        (b"", ""),
        (b"\xff\xfe\x00", "\ufffd"),
    ],
)
def test_bytes_of_any_encoding_become_text(tmp_path, data, expected):
    (tmp_path / "file.txt").write_bytes(data)
    found = read(str(tmp_path / "file.txt"))
    assert (expected, len(data)) == (text_of(found), found.size_bytes)


def test_a_file_is_read_once_until_it_changes(tmp_path, monkeypatch):
    reads = []

    def counted(path):
        reads.append(path)
        return read(path)

    monkeypatch.setattr(shelf_module, "read", counted)
    path = tmp_path / "a.txt"
    path.write_text("one")
    shelf = Shelf()
    assert ["one", "one"] == [text_of(shelf.documents([str(path)])[0]) for _ in range(2)]
    path.write_text("another")
    assert "another" == text_of(shelf.documents([str(path)])[0])
    assert 2 == len(reads)


def test_the_shelf_forgets_what_was_not_used_for_longest(tmp_path):
    for name in "abc":
        (tmp_path / name).write_text("x" * 40)
    shelf = Shelf(limit_bytes=100)
    shelf.documents([str(tmp_path / name) for name in "aba"])
    shelf.documents([str(tmp_path / "c")])
    assert {"documents": 2, "bytes": 80, "limit_bytes": 100} == shelf.statistics()


def test_a_file_that_is_named_twice_is_given_once(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    path = str(tmp_path / "a.txt")
    assert ["a.txt"] == [document.name for document in Shelf().documents([path, path])]


def test_names_are_as_long_as_they_must_be():
    assert ["a.md"] == short_names(["/x/y/a.md"])
    assert ["y/a.md", "z/a.md"] == short_names(["/x/y/a.md", "/x/z/a.md"])
    assert [] == short_names([])


def test_a_missing_file_is_named_and_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"cannot read 'lost.md': there is no such file \(looked for in "):
        Shelf().documents(["lost.md"])
    with pytest.raises(FileNotFoundError, match=r"lost.md': there is no such file$"):
        Shelf().documents([str(tmp_path / "lost.md")])


def test_a_folder_a_pipe_and_a_giant_are_refused(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "giant").write_text("too much")
    monkeypatch.setattr(shelf_module, "FILE_LIMIT_BYTES", 7)
    for name, reason in (("", "it is a folder"), ("pipe", "it is not a file of text"), ("giant", "the limit is 64 MB")):
        with pytest.raises(ValueError, match=reason):
            Shelf().documents([str(tmp_path / name)])


def test_another_reason_is_said_in_the_words_of_the_system(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(NotADirectoryError, match=r"cannot read '.*b': Not a directory"):
        Shelf().documents([str(tmp_path / "a.txt" / "b")])
