"""`riverrun explain`: what an error code means and how to mend it, offline."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from riverrun.base.codes import CODES
from riverrun.base.errors import NotFound
from riverrun.cli import output

_ROOMS = {
    "E1": "graphs",
    "E2": "input and requests",
    "E3": "runs and nodes",
    "E4": "stores",
    "E5": "connections",
    "E6": "command line and set-up",
}


def explain(
    code: Annotated[str | None, typer.Argument(help="A code such as E1003; without one, all are listed.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per code.")] = False,
) -> None:
    """Say what an error code means and how to mend it.

    Raises:
        NotFound: E6005, there is no such code.
    """
    if code is None:
        _list(as_json=as_json)
        return
    known = code.strip().upper()
    if not known.startswith("E"):
        known = f"E{known}"
    if known not in CODES:
        raise NotFound("E6005", f"there is no error {code[:64]!r}")
    entry = CODES[known]
    if as_json:
        output.say_json({"code": known, **entry._asdict()})
    elif output.for_people():
        screen = output.console()
        screen.print(Text.assemble((known, "bold red"), "  ", (entry.title, "bold")))
        screen.print(f"  {entry.why}")
        screen.print(Text.assemble("  ", (entry.mend, "green")))
    else:
        output.say(f"{known} {entry.title}\n  {entry.why}\n  {entry.mend}")


def _list(*, as_json: bool) -> None:
    if as_json:
        for code, entry in CODES.items():
            output.say_json({"code": code, **entry._asdict()})
        return
    room = ""
    people, screen = output.for_people(), output.console()
    for code, entry in CODES.items():
        if people and code[:2] != room:
            room = code[:2]
            screen.print(Text(f"{_ROOMS.get(room, room)}", "bold"))
        line = Text.assemble((code, "red"), "  ", entry.title)
        if people:
            screen.print(Text("  ") + line)
        else:
            output.say(f"{code}  {entry.title}")
