# ruff: noqa: INP001  (a file that the build finds by its path)
"""Keeps a wheel or an sdist from being built without the console: whoever installed it would find out last.

It is run by hatchling, with nothing of Riverrun installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Shipped(BuildHookInterface):  # type: ignore[type-arg]
    """Looks whether the console was built."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 the shape of the hook
        """Refuse to build what would lack the console.

        Args:
            version: Of the target; `editable` is a link to the sources, which needs no console.
            build_data: Of the build; left as it is.

        Raises:
            FileNotFoundError: The console was not built; the text says how to.
        """
        page = Path(self.root) / "src" / "riverrun" / "_console" / "index.html"
        if version != "editable" and not page.is_file():
            what = f"the console is not built ({page} is missing), and a {self.target_name} without it is not whole"
            raise FileNotFoundError(f"{what}. Build it first: make console")
