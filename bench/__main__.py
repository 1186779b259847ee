"""The command: `python -m bench [names…] [--quick] [--json] [--write]`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from bench.cores import pin_load
from bench.figures import FIGURES
from bench.measure import measure
from bench.report import PAGE, kept, render, show, write
from bench.results import LeftOut, Line, encode
from bench.scale import FULL, QUICK, Scale


def main(arguments: Sequence[str] | None = None, scale: Scale | None = None) -> int:
    """Measure figures and print a JSON line per result as soon as it is there.

    Args:
        arguments: Of the command line.
        scale: Instead of what the arguments say, for tests.

    Returns:
        0, or 1 when something that is installed could not be measured.
    """
    asked = _read(arguments)
    if asked.page:
        PAGE.write_text(render(kept()), encoding="utf-8")
        return 0
    pin_load()
    lines: list[Line] = []
    for figure in FIGURES:
        if figure.name in (asked.names or figure.name):
            for line in asyncio.run(measure(figure, scale or (QUICK if asked.quick else FULL))):
                print(encode(line), flush=True)
                lines.append(line)
    broken = any(isinstance(line, LeftOut) and line.failed for line in lines)
    if asked.write and broken:  # a page with holes would stand where a whole one stood
        print("bench: not kept, because something could not be measured; see the lines", file=sys.stderr)
    elif asked.write:
        write(lines)
    if not asked.json:
        show(lines)
    return int(broken)


def _read(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = [figure.name for figure in FIGURES]
    parser = argparse.ArgumentParser(prog="bench", description="Measure Riverrun beside its peers.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"figures; all when none is named: {', '.join(names)}")
    parser.add_argument("--quick", action="store_true", help="fewer repeats: some minutes in all")
    parser.add_argument("--json", action="store_true", help="JSON lines only, no table")
    parser.add_argument(
        "--write", action="store_true", help="keep a run without failures: bench/results/, bench/RESULTS.md"
    )
    parser.add_argument(
        "--page", action="store_true", help="measure nothing: make bench/RESULTS.md anew from the kept lines"
    )
    asked = parser.parse_args(arguments)
    unknown = [name for name in asked.names if name not in names]
    if unknown:
        parser.error(f"there is no figure {unknown[0]!r}; there are: {', '.join(names)}")
    if asked.write and asked.names:
        parser.error("--write keeps a run of all figures: leave out names")
    return asked


if __name__ == "__main__":
    sys.exit(main())
