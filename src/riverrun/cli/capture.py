"""Pictures of the demo for a README: one frame just after the takeover, and the table, as SVG.

Made with `riverrun demo --capture docs/images`. The size is that of a usual terminal, whatever the real one has.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console, RenderableType
from rich.terminal_theme import TerminalTheme

from riverrun.cli.stage import Stage

_WIDTH, _HEIGHT, _TABLE_WIDTH = 100, 38, 74
_FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_AFTER_SECONDS = 0.7  # so that the new attempt has begun to speak below what was taken back
_THEME = TerminalTheme(
    (13, 17, 23),
    (201, 209, 217),
    [
        (72, 79, 88),
        (255, 123, 114),
        (63, 185, 80),
        (210, 153, 34),
        (88, 166, 255),
        (188, 140, 255),
        (57, 197, 207),
        (177, 186, 196),
    ],
    [
        (110, 118, 129),
        (255, 161, 152),
        (86, 211, 100),
        (227, 179, 65),
        (121, 192, 255),
        (210, 168, 255),
        (86, 212, 221),
        (240, 246, 252),
    ],
)


class Capture:
    """Write pictures into a folder.

    Args:
        folder: Made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken = False

    def frame(self, stage: Stage) -> None:
        """Take the picture of the run, once, when the moment has come.

        Args:
            stage: What is shown.
        """
        if not self._taken and stage.voided_since(_AFTER_SECONDS):
            self._taken = True
            self._write(stage.drawn(_HEIGHT), "demo.svg", "riverrun demo", _WIDTH)

    def table(self, drawn: RenderableType) -> None:
        """Take the picture of the table."""
        self._write(drawn, "demo-table.svg", "riverrun demo: what became of every event", _TABLE_WIDTH)

    def _write(self, drawn: RenderableType, name: str, title: str, width: int) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        console = Console(
            record=True, width=width, height=_HEIGHT, file=io.StringIO(), force_terminal=True, color_system="truecolor"
        )
        console.print(drawn)
        unique = name.removesuffix(".svg")
        svg = console.export_svg(title=title, theme=_THEME, unique_id=unique)
        (self._folder / name).write_text(_alone(svg), encoding="utf-8")


def _alone(svg: str) -> str:
    """Leave out the fonts that rich would fetch from elsewhere: a picture needs nobody."""
    without = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return without.replace("font-family: Fira Code, monospace", f"font-family: {_FONTS}")
