"""`langgraph dev` as a server of the harness: `python -m bench.langgraph_dev` prints its URL once it answers.

It is started as its documentation says, without the browser and without looking for changed files.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import URLError

_START_SECONDS = 30.0
_LOOK_SECONDS = 0.1
_QUIET = {"LANGSMITH_TRACING": "false", "LANGGRAPH_NO_VERSION_CHECK": "1", "LOG_LEVEL": "warning"}


def main() -> int:
    """Serve until SIGTERM.

    Returns:
        Its exit code.

    Raises:
        ModuleNotFoundError: `langgraph dev` is not installed.
        TimeoutError: It did not answer in time.
    """
    if importlib.util.find_spec("langgraph_api") is None:
        raise ModuleNotFoundError("langgraph-cli[inmem] is not installed", name="langgraph_api")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    root = Path(__file__).resolve().parent.parent
    with TemporaryDirectory() as folder:
        config = {"dependencies": [str(root)], "graphs": {"speak": f"{root / 'bench' / 'adopted.py'}:graph"}}
        Path(folder, "langgraph.json").write_text(json.dumps(config), encoding="utf-8")
        command = [str(Path(sys.executable).with_name("langgraph")), "dev", "--port", str(port)]
        command += ["--no-browser", "--no-reload", "--config", "langgraph.json"]
        environment = {**os.environ, **_QUIET, "PYTHONPATH": str(root)}
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        try:
            _wait(f"http://127.0.0.1:{port}/ok")
            print(f"http://127.0.0.1:{port}", flush=True)
            return process.wait()
        finally:
            process.terminate()
            process.wait()


def _wait(url: str) -> None:
    give_up_at = time.monotonic() + _START_SECONDS
    while time.monotonic() < give_up_at:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (URLError, OSError):
            time.sleep(_LOOK_SECONDS)
    raise TimeoutError("langgraph dev did not answer")


if __name__ == "__main__":
    sys.exit(main())
