"""Node is found where it is, and what npm cannot do is said in words."""

from __future__ import annotations

import os

import pytest

from tests.web import node as place
from tests.web.node import Node, compiled, found, installed


@pytest.fixture
def web(tmp_path, monkeypatch):
    """A workspace without packages."""
    monkeypatch.setattr(place, "WEB", tmp_path)
    monkeypatch.setattr(place, "CLIENT", tmp_path)
    (tmp_path / "package.json").write_text("{}")
    (tmp_path / "package-lock.json").write_text("{}")
    (tmp_path / "tsconfig.json").write_text("{}")
    (tmp_path / "build").mkdir()
    return tmp_path


def program(folder, body):
    """Plant a program."""
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_a_node_of_the_machine_is_found_where_there_is_no_wheel(tmp_path, monkeypatch):
    for name in ("node", "npm"):
        program(tmp_path, "exit 0")
        (tmp_path / "program").rename(tmp_path / name)
    monkeypatch.setattr(place, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Node(str(tmp_path / "node"), (str(tmp_path / "npm"),)) == found()
    (tmp_path / "npm").unlink()
    assert None is found()


def test_a_script_of_npm_finds_the_same_node(tmp_path):
    path = Node(str(tmp_path / "node"), ()).environment["PATH"]
    assert str(tmp_path) == path.split(os.pathsep)[0]


def test_an_installation_that_fails_is_told_in_the_words_of_npm(web):
    failing = Node("node", (program(web, "echo no network >&2; exit 1"),))
    assert "npm could not install: no network" == installed(failing)


def test_what_is_installed_is_not_installed_again(web):
    (web / "node_modules").mkdir()
    (web / "node_modules" / ".package-lock.json").write_text("{}")
    failing = Node("node", (program(web, "exit 1"),))
    assert "" == installed(failing)
    os.utime(web / "package-lock.json", (2e9, 2e9))
    assert "npm could not install: " == installed(failing)


def test_what_the_compiler_complains_of_is_told(web):
    assert "src/a.ts(1,1): error\n" == compiled(Node(program(web, "echo 'src/a.ts(1,1): error'; exit 2"), ()))
    assert "" == compiled(Node(program(web, "exit 0"), ()))
    os.utime(web / "build" / ".ready", (2e9, 2e9))
    assert "" == compiled(Node(program(web, "exit 2"), ())), "what is compiled is not compiled again"
