"""A real Riverrun server of a LangGraph graph: `python -m bench.adopted_server FILE` prints its URL and serves."""

from __future__ import annotations

import sys

from bench.adopted import graph
from riverrun.server.app import create_app
from riverrun.server.serve import serve


def main(path: str) -> None:
    """Serve until SIGTERM.

    Args:
        path: The SQLite file.
    """
    app = create_app({"speak": graph}, store=f"sqlite:///{path}")
    serve(app, port=0, announce=lambda url: print(url, flush=True))


if __name__ == "__main__":
    main(sys.argv[1])
