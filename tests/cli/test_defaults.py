"""The command line means the same store and tenant as the server, and does not load it to know."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from riverrun.cli.defaults import STORE, TENANT
from riverrun.server.runtime import DEFAULT_TENANT
from riverrun.server.settings import DEFAULT_STORE


def test_they_are_those_of_the_server():
    assert (DEFAULT_TENANT, DEFAULT_STORE) == (TENANT, STORE)


@pytest.mark.slow
def test_the_command_line_loads_no_web_server_before_it_serves():
    program = "import riverrun.cli.main, sys, json; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=True)
    assert set() == {"fastapi", "uvicorn", "pydantic", "apsw"} & set(json.loads(done.stdout))
