"""Start a server in a process of its own, on a core of its own, and end it; say what it took of the machine."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from bench.cores import on_server_core

_START_SECONDS = 30.0
_END_SECONDS = 10.0


class Served(NamedTuple):
    """A server that answers.

    Attributes:
        url: Its base URL.
        pid: Its process.
    """

    url: str
    pid: int

    def held_bytes(self) -> int:
        """Tell how much memory the system counts for it: what Python and its libraries took, and never give back."""
        status = Path(f"/proc/{self.pid}/status")
        if status.exists():
            return int(status.read_text().partition("VmRSS:")[2].split()[0]) * 1024
        told = subprocess.run(["ps", "-o", "rss=", "-p", str(self.pid)], capture_output=True, check=True, text=True)
        return int(told.stdout) * 1024

    def processor_seconds(self) -> float | None:
        """Tell how long it has been on a processor so far, all its threads together; None where Linux is not there."""
        tasks = Path(f"/proc/{self.pid}/task")
        while tasks.exists():
            # A thread may end while it is looked at; then all are looked at again.
            with suppress(FileNotFoundError, ProcessLookupError):
                return sum(int((thread / "schedstat").read_text().split()[0]) for thread in tasks.iterdir()) / 1e9
        return None


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
    with served([sys.executable, "-m", module, *arguments]) as server:
        yield server.url


@contextmanager
def served(command: list[str]) -> Iterator[Served]:
    """Run a program that prints its base URL once it answers.

    Args:
        command: The program and its arguments.

    Yields:
        The server.

    Raises:
        RuntimeError: It ended, or said nothing in time.
    """
    with on_server_core():
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        yield Served(_announced(command, process), process.pid)
    finally:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def allow_connections(count: int) -> None:
    """Let this process, and those that it starts from now on, have so many files open, as far as the system lets it.

    Args:
        count: Connections; a few more files are open beside them.
    """
    if os.name != "posix":
        return
    import resource  # noqa: PLC0415  # only where there is such a limit

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 256
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def _announced(command: list[str], process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], _START_SECONDS)
    line = process.stdout.readline() if ready else b""
    if not line:
        raise RuntimeError(f"{' '.join(command)} did not start")
    return line.decode().strip()
