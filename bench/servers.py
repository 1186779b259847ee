"""Start a server in a process of its own, on a core of its own, and end it."""

from __future__ import annotations

import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.cores import on_server_core

_START_SECONDS = 30.0
_END_SECONDS = 10.0


@contextmanager
def serving(module: str, *arguments: str) -> Iterator[str]:
    """Run a module that prints its base URL once it answers.

    Args:
        module: Name of the module.
        *arguments: Of its command line.

    Yields:
        The base URL.

    Raises:
        RuntimeError: It ended, or said nothing in time.
    """
    with on_server_core():
        process = subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE)
    try:
        yield _announced(module, process)
    finally:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _announced(module: str, process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], _START_SECONDS)
    line = process.stdout.readline() if ready else b""
    if not line:
        raise RuntimeError(f"{module} did not start")
    return line.decode().strip()
