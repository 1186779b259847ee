"""The line that a person is shown is their own, however deep in a library something went wrong."""

from __future__ import annotations

import json
import sys

import msgspec
import pytest

from riverrun.runs.context import interrupt
from riverrun.runs.whose import INSTALLED, OURS, STANDARD, THEIRS, line_of, of_whom


def raised(function):
    with pytest.raises(Exception) as caught:  # noqa: PT011  # any will do: the place is what is looked at
        function()
    return caught.value.__traceback__


def test_a_file_is_the_users_a_packages_pythons_or_ours():
    assert OURS == of_whom(sys.modules["riverrun.runs.whose"].__file__)
    assert STANDARD == of_whom(json.__file__) == of_whom("<frozen importlib._bootstrap>")
    assert INSTALLED == of_whom(msgspec.__file__)
    assert THEIRS == of_whom(__file__)
    package = of_whom.__wrapped__.__code__.co_filename.rpartition("/runs/")[0]
    assert OURS != of_whom(f"{package}/examples/x.py")


def test_the_line_is_the_innermost_of_the_users_own():
    def inner():
        return json.loads("{")  # this one

    def outer():
        return inner()

    assert f"{__file__}:{inner.__code__.co_firstlineno + 1}" == line_of(raised(outer))


def test_what_only_a_library_ran_is_named_in_the_library():
    names: dict[str, object] = {}
    exec(compile("def call():\n    import json\n    json.loads('{')", json.__file__, "exec"), names)
    trace = raised(names["call"]).tb_next  # without the test's own frame
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    assert line_of(trace).startswith(json.decoder.__file__)


def test_where_only_our_own_code_ran_there_is_no_line():
    assert not line_of(None)
    trace = raised(lambda: interrupt("?"))
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    assert not line_of(trace)
